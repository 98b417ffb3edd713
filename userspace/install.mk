# SPDX-License-Identifier: BSD-2-Clause
# `make install PREFIX=/usr DESTDIR=package LIBDIR=/usr/lib/x86_64-linux-gnu`

PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR    ?= $(PREFIX)/share
SBINDIR    ?= $(PREFIX)/sbin
UNITDIR    ?= $(PREFIX)/lib/systemd/system
DESTDIR    ?=

CMAKEDIR := $(LIBDIR)/cmake/truepeer

# $(call filled_in,TEMPLATE,TARGET)
filled_in = sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|g' \
	-e 's|@VERSION@|$(VERSION)|g' -e 's|@SONAME@|$(TP_LIB_SONAME)|g' \
	-e "s|@INCLUDE_FROM_HERE@|$$(realpath -m --relative-to=$(CMAKEDIR) $(INCLUDEDIR))|g" \
	$(1) > $(DESTDIR)$(2) && chmod 644 $(DESTDIR)$(2)

install: $(BUILD)/truepeer $(BUILD)/libtruepeer.a $(BUILD)/$(TP_LIB_SONAME) ## install under PREFIX (/usr/local), for packages below DESTDIR
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)install -d $(addprefix $(DESTDIR),$(SBINDIR) $(LIBDIR)/pkgconfig $(CMAKEDIR) $(INCLUDEDIR)/truepeer \
		$(DATADIR)/man/man3 $(DATADIR)/man/man8 $(DATADIR)/bash-completion/completions $(UNITDIR))
	$(Q)install -m 755 $(BUILD)/truepeer $(DESTDIR)$(SBINDIR)
	$(Q)install -m 644 $(BUILD)/libtruepeer.a $(DESTDIR)$(LIBDIR)
	$(Q)install -m 755 $(BUILD)/$(TP_LIB_SONAME) $(DESTDIR)$(LIBDIR)
	$(Q)ln -sf $(TP_LIB_SONAME) $(DESTDIR)$(LIBDIR)/libtruepeer.so
	$(Q)install -m 644 userspace/include/truepeer/* $(DESTDIR)$(INCLUDEDIR)/truepeer
	$(Q)install -m 644 userspace/man/libtruepeer.3 $(DESTDIR)$(DATADIR)/man/man3
	$(Q)install -m 644 userspace/man/truepeer.8 $(DESTDIR)$(DATADIR)/man/man8
	$(Q)install -m 644 userspace/completion/truepeer $(DESTDIR)$(DATADIR)/bash-completion/completions
	$(Q)install -m 644 userspace/systemd/truepeer.service $(DESTDIR)$(UNITDIR)
	$(Q)sed -i 's|^\(ExecStart=\)/[^ ]*/truepeer |\1$(SBINDIR)/truepeer |' $(DESTDIR)$(UNITDIR)/truepeer.service
	$(Q)$(call filled_in,userspace/lib/truepeer.pc.in,$(LIBDIR)/pkgconfig/truepeer.pc)
	$(Q)$(call filled_in,userspace/lib/truepeer-config.cmake.in,$(CMAKEDIR)/truepeer-config.cmake)
	$(Q)$(call filled_in,userspace/lib/truepeer-config-version.cmake.in,$(CMAKEDIR)/truepeer-config-version.cmake)
