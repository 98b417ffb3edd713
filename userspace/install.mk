# SPDX-License-Identifier: BSD-2-Clause
# `make install PREFIX=/usr DESTDIR=package LIBDIR=/usr/lib/x86_64-linux-gnu`

PREFIX      ?= /usr/local
LIBDIR      ?= $(PREFIX)/lib
INCLUDEDIR  ?= $(PREFIX)/include
DATADIR     ?= $(PREFIX)/share
SBINDIR     ?= $(PREFIX)/sbin
LIBEXECDIR  ?= $(PREFIX)/lib/truepeer
# the command looks for its configuration in /etc, unless PREFIX is a place of its own
SYSCONFDIR  ?= $(if $(filter /usr /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc)
UNITDIR     ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
ZSHDIR      ?= $(DATADIR)/zsh/site-functions
DESTDIR     ?=

CMAKEDIR := $(LIBDIR)/cmake/truepeer
EXAMPLES := $(DATADIR)/doc/truepeer/examples

# $(call filled_in,TEMPLATE,TARGET)
filled_in = sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|g' \
	-e 's|@VERSION@|$(VERSION)|g' -e 's|@SONAME@|$(TP_LIB_SONAME)|g' \
	-e "s|@INCLUDE_FROM_HERE@|$$(realpath -m --relative-to=$(CMAKEDIR) $(INCLUDEDIR))|g" \
	$(1) > $(DESTDIR)$(2) && chmod 644 $(DESTDIR)$(2)

# $(call install_to,DIRECTORY,MODE,FILES)
install_to = install -d $(DESTDIR)$(1) && install -m $(2) $(3) $(DESTDIR)$(1)

# install-built installs what was built elsewhere, without checking whether it is up to date
.PHONY: install install-built
install: $(BUILD)/truepeer $(BUILD)/libtruepeer.a $(BUILD)/$(TP_LIB_SONAME) ## install under PREFIX (/usr/local), for packages below DESTDIR
install install-built:
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)$(call install_to,$(SBINDIR),755,$(BUILD)/truepeer)
	$(Q)$(call install_to,$(LIBDIR),644,$(BUILD)/libtruepeer.a $(BUILD)/$(TP_LIB_SONAME))
	$(Q)ln -sf $(TP_LIB_SONAME) $(DESTDIR)$(LIBDIR)/libtruepeer.so
	$(Q)$(call install_to,$(INCLUDEDIR)/truepeer,644,$(wildcard userspace/include/truepeer/*))
	$(Q)$(call install_to,$(DATADIR)/man/man3,644,userspace/man/libtruepeer.3)
	$(Q)$(call install_to,$(DATADIR)/man/man5,644,userspace/man/truepeer.toml.5)
	$(Q)$(call install_to,$(DATADIR)/man/man8,644,userspace/man/truepeer.8)
	$(Q)$(call install_to,$(DATADIR)/bash-completion/completions,644,userspace/completion/truepeer)
	$(Q)$(call install_to,$(ZSHDIR),644,userspace/completion/_truepeer)
	$(Q)$(call install_to,$(LIBEXECDIR),755,userspace/systemd/prepare-bpffs)
	$(Q)$(call install_to,$(SYSUSERSDIR),644,userspace/systemd/truepeer.sysusers)
	$(Q)mv $(DESTDIR)$(SYSUSERSDIR)/truepeer.sysusers $(DESTDIR)$(SYSUSERSDIR)/truepeer.conf
	$(Q)$(call install_to,$(EXAMPLES),644,userspace/systemd/truepeer-no-namespaces.conf)
	$(Q)$(call install_to,$(UNITDIR),644,userspace/systemd/truepeer.service)
	$(Q)sed -i -e 's|/usr/sbin/truepeer|$(SBINDIR)/truepeer|' -e 's|/usr/lib/truepeer/|$(LIBEXECDIR)/|' \
		-e 's|/etc/truepeer/|$(SYSCONFDIR)/truepeer/|' $(DESTDIR)$(UNITDIR)/truepeer.service
	$(Q)$(call install_to,$(EXAMPLES),644,userspace/config/truepeer.toml)
	$(Q)[ -e $(DESTDIR)$(SYSCONFDIR)/truepeer/truepeer.toml ] || \
		{ $(call install_to,$(SYSCONFDIR)/truepeer,644,userspace/config/truepeer.toml); }
	$(Q)$(call install_to,$(EXAMPLES)/monitoring,644,$(wildcard userspace/monitoring/*))
	$(Q)install -d $(addprefix $(DESTDIR),$(LIBDIR)/pkgconfig $(CMAKEDIR))
	$(Q)$(call filled_in,userspace/lib/truepeer.pc.in,$(LIBDIR)/pkgconfig/truepeer.pc)
	$(Q)$(call filled_in,userspace/lib/truepeer-config.cmake.in,$(CMAKEDIR)/truepeer-config.cmake)
	$(Q)$(call filled_in,userspace/lib/truepeer-config-version.cmake.in,$(CMAKEDIR)/truepeer-config-version.cmake)
