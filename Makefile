# SPDX-License-Identifier: BSD-2-Clause
# truepeer: `make help` lists the targets.

BUILD   ?= build
CLANG   ?= clang-19
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
CXX     ?= g++
AR      ?= ar
V       ?= 0

ifeq ($(V),0)
Q   = @
say = @printf '  %-8s %s\n' $(1) $(2);
endif

.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

VERSION := 0.1.0

WARN     := -Wall -Wextra -Werror -Wshadow
BPFFLAGS := -O2 -g -target bpf -mcpu=v3 -ffile-prefix-map=$(CURDIR)=. -D__TARGET_ARCH_x86 -iquote . -isystem . $(WARN) -Wno-unused-function
CXXFLAGS ?= -O2 -g
CXXSTD   := -std=c++20 -fno-strict-aliasing -pthread $(WARN) -MMD -MP -DTP_VERSION='"$(VERSION)"'
INCLUDE  := -I. -Iuserspace -Iuserspace/include -isystem $(BUILD)/gen
, := ,
# the command is linked statically, so that it runs on hosts without libbpf; the library links libbpf only
LIBBPF        := -lbpf -lelf -lz
LIBBPF_STATIC := -Wl,-Bstatic -lbpf -lelf -lz -Wl,-Bdynamic
# linked statically if there is an archive; Debian has the shared library only (libprometheus-cpp-core1.0)
PROMETHEUS    := $(if $(shell $(CXX) -print-file-name=libprometheus-cpp-core.a | grep /),\
	-Wl$(,)-Bstatic -lprometheus-cpp-core -Wl$(,)-Bdynamic,-lprometheus-cpp-core)
# the agent's libraries; Debian has libmnl, libmount and libsystemd as shared libraries only, which iproute2, mount and
# apt need, too
AGENT_LIBS    := -Wl,-Bstatic -lcap-ng -Wl,-Bdynamic -Wl,--as-needed -lmnl -lmount -lsystemd $(PROMETHEUS)
# SHARED=1 links all libraries as shared ones, as for packages
AGENT_SHARED := -Wl,--as-needed -lbpf -lelf -lz -lcap-ng -lmnl -lmount -lsystemd -lprometheus-cpp-core
SHARED       ?= 0
ifeq ($(SHARED),1)
AGENT_LINK := $(AGENT_SHARED)
else
AGENT_LINK := $(LIBBPF_STATIC) $(AGENT_LIBS)
endif

# UNITY=1 compiles the files of a folder as one translation unit, which takes half the time when
# everything is built once.  tools/test chooses it if there is no build; it lasts until `make clean`.
UNITY ?= $(if $(wildcard $(BUILD)/unity),1,0)

# $(call in_one,FILE,SOURCES): FILE.cpp includes them all
define in_one
$(1).cpp: $(2)
	@mkdir -p $$(@D)
	$$(Q)printf '#include "%s"\n' $$^ > $$@
endef

include userspace/build.mk
include userspace/install.mk
include tests/build.mk
include tests/fuzz/build.mk
include tools/bench/build.mk
include tools/bench-peers/build.mk
include tools/bench-scale/build.mk
include tools/lookups/build.mk

# ---- BPF -------------------------------------------------------------------

BPF_SRC   := $(shell find bpf -name '*.bpf.c' | sort)
BPF_OBJ   := $(BPF_SRC:%.c=$(BUILD)/%.o)

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPFFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/bpf/truepeer.bpf.o: $(BPF_OBJ)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(BUILD)/gen/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name tp_$* > $@

-include $(BPF_OBJ:.o=.d)

# ---- targets ---------------------------------------------------------------

.PHONY: all deps deb demo test check lint compile_commands.json clean help install
all: $(ALL) ## build everything into build/

deps: ## install the Debian packages that building, testing and the demo need
	$(Q)tools/deps

deb: ## build the Debian packages into build/deb
	$(Q)tools/deb

demo: ## show on this machine what truepeer does: HAProxy, Node, the real client's address
	$(Q)tools/demo

test: ## build and run every test (root)
	$(Q)tools/test

check: ## run each test with one of its parameters, for work in progress (root)
	$(Q)tools/test --quick

# generated headers that units include
GENERATED := $(BUILD)/gen/truepeer.skel.h $(TEST_SKELS) $(BUILD)/gen/abi_members.inc

lint: $(GENERATED) compile_commands.json ## check all C and C++ with clang-format and clang-tidy; tools/lint --fix-format corrects
	$(Q)tools/lint

compile_commands.json: ## write build/compile_commands.json: how each file is compiled, for clang-tidy and editors
	$(Q)mkdir -p $(BUILD)
	$(Q)$(MAKE) -nB --no-print-directory V=1 UNITY=0 TEST_PCH= all tests $(BUILD)/bench $(BUILD)/lookups | \
		tools/compile_commands $(BUILD)/$@

clean: ## remove build/
	$(Q)rm -rf $(BUILD)

help: ## print this list
	@grep -hE '^[a-z_.-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 16
