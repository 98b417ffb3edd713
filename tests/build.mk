# SPDX-License-Identifier: BSD-2-Clause
# The tests: every tests/FOLDER/NAME_test.cpp becomes build/tests/NAME_test.  The other .cpp files of
# a folder are support files, which are linked into each of its tests.  Those of tests/net/support are
# linked into the tests of tests/net and tests/apps, and those of tests/unit into all tests.
# tests/bpf/NAME.bpf.c becomes NAME.skel.h, and tests/preload/NAME.c becomes build/tests/NAME.so.
#
# userspace/build.mk sets TEST_LIBRARIES, the archives that tests link.

# A precompiled header saves a third of the time for compiling the tests; TEST_PCH= switches it off.
TEST_PCH ?= 1

# The programs of net/ and apps/ wait most of the time, so they are compiled without optimization.
TEST_CXXFLAGS ?= -O1 -g1
LIVE_CXXFLAGS  = $(TEST_CXXFLAGS:-O1=-O0)
TEST_WARN     := -Wno-missing-field-initializers

TEST_DIRS    := unit bpf net apps
TEST_SOURCES := $(wildcard $(TEST_DIRS:%=tests/%/*_test.cpp))
TEST_SUPPORT := $(filter-out $(TEST_SOURCES),$(wildcard $(TEST_DIRS:%=tests/%/*.cpp) tests/net/support/*.cpp))
TEST_OBJECTS := $(patsubst tests/%.cpp,$(BUILD)/tests/obj/%.o,$(TEST_SOURCES) $(TEST_SUPPORT))
TESTS        := $(addprefix $(BUILD)/tests/,$(basename $(notdir $(TEST_SOURCES))))

# the libraries that tests preload (LD_PRELOAD)
TEST_PRELOAD := $(patsubst tests/preload/%.c,$(BUILD)/tests/%.so,$(wildcard tests/preload/*.c))

# the example server of the Go module, without cgo; nothing is fetched
TEST_GO := $(BUILD)/examples/go-server

TEST_BPF   := $(basename $(basename $(notdir $(wildcard tests/bpf/*.bpf.c))))
TEST_SKELS := $(TEST_BPF:%=$(BUILD)/gen/%.skel.h)

# Two versions for packages, which differ in one object, so that nothing is compiled again.
NEXT_VERSION := $(VERSION)+next
STAGED       := $(foreach v,staged staged-next,\
	$(addprefix $(BUILD)/$(v)/,truepeer libtruepeer.a $(TP_LIB_SONAME)))

.PHONY: tests test-kernels test-kernels-full
tests: fuzzers $(STAGED) $(TESTS) $(BUILD)/bench-scale $(BUILD)/bench-peers $(TEST_PRELOAD) $(TEST_GO) $(BUILD)/bpf/truepeer.bpf.o ## build the tests into build/tests/

test-kernels-full: all tests ## run all live rows on Debian's kernels: an hour or more
	$(Q)tests/vm/run --full

test-kernels: all tests ## run the tests of tests/vm/programs on Debian's kernels (qemu)
	$(Q)tests/vm/run

# ---- the same with sanitizers ------------------------------------------------

SANITIZED := $(BUILD)/sanitized
# without -Werror, because sanitizers make the compiler warn of uninitialized values
SANITIZE  := WARN=-Wall TEST_PCH= UNITY=1 BUILD=$(SANITIZED) $(foreach f,CXXFLAGS TEST_CXXFLAGS,\
	$(f)="-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer")

.PHONY: test-sanitized sanitized-tests
sanitized-tests: $(BUILD)/truepeer $(TP_EXAMPLES) $(TESTS) $(TEST_PRELOAD) $(TEST_GO)

test-sanitized: all tests ## run the tests, and what they test, with AddressSanitizer and UBSan (root)
	$(Q)$(MAKE) --no-print-directory $(SANITIZE) sanitized-tests
	$(Q)TP_BUILD=$(SANITIZED) python3 -B tools/run_tests.py --no-kernels --no-lint

# ---- what tests/apps/package_test.cpp puts into packages -----------------------

$(BUILD)/staged-next/version.o: userspace/base/version.cpp Makefile
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS) $(filter-out -MMD -MP -DTP_VERSION%,$(CXXSTD)) $(INCLUDE) \
		-DTP_VERSION='"$(NEXT_VERSION)"' -c $< -o $@

$(BUILD)/staged/truepeer: TP_PARTS = $^
$(BUILD)/staged-next/truepeer: TP_PARTS = $(filter-out %/base/version.o,$^)
$(BUILD)/staged-next/truepeer: $(BUILD)/staged-next/version.o
$(BUILD)/staged/truepeer $(BUILD)/staged-next/truepeer: $(TP_OBJECTS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS) -pie -Wl,-z,relro,-z,now -pthread $(TP_PARTS) -o $@ $(AGENT_SHARED)

$(BUILD)/staged/lib%: $(BUILD)/lib%
	@mkdir -p $(@D)
	$(Q)cp $< $@

$(BUILD)/staged-next/lib%: $(BUILD)/lib%
	@mkdir -p $(@D)
	$(Q)cp $< $@

# ---- BPF programs of the tests, and what is generated for them ---------------

$(BUILD)/gen/abi_members.inc: tests/bpf/abi_members.awk $(sort $(wildcard bpf/abi/*.h))
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)awk -f $^ > $@

$(TEST_BPF:%=$(BUILD)/tests/bpf/%.bpf.o): $(BUILD)/tests/bpf/%.bpf.o: tests/bpf/%.bpf.c \
		$(BUILD)/gen/abi_members.inc vmlinux.h
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPFFLAGS) -isystem $(BUILD)/gen -MMD -MP -c $< -o $@

$(TEST_SKELS): $(BUILD)/gen/%.skel.h: $(BUILD)/tests/bpf/%.bpf.o
	$(call say,SKEL,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@

$(TEST_PRELOAD): $(BUILD)/tests/%.so: tests/preload/%.c
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -O1 -g1 $(WARN) -fPIC -shared -o $@ $< -ldl

$(TEST_GO): $(wildcard userspace/bindings/go/*.go userspace/bindings/go/*/*.go) userspace/bindings/go/go.mod
	$(call say,GO,$@)
	@mkdir -p $(@D)
	$(Q)cd userspace/bindings/go && GOCACHE=$(abspath $(BUILD))/go-cache CGO_ENABLED=0 GOPROXY=off \
		GOTOOLCHAIN=local go build -buildvcs=false -o $(abspath $@) ./example

# ---- programs ------------------------------------------------------------------

# -MMD leaves out what comes in with -isystem, so the generated headers are named here
$(filter $(BUILD)/tests/obj/bpf/%,$(TEST_OBJECTS)): $(TEST_SKELS)

# $(call compile_tests,OBJECTS,SOURCES,FLAGS,NAME): as patterns, with the precompiled header NAME.h
define compile_tests
$(BUILD)/tests/obj/$(4).h.gch: tests/common.h
	$$(call say,PCH,$$@)
	@mkdir -p $$(@D)
	$$(Q)cp $$< $(BUILD)/tests/obj/$(4).h
	$$(Q)$$(CXX) $(3) $$(CXXSTD) $$(TEST_WARN) $$(INCLUDE) -x c++-header $(BUILD)/tests/obj/$(4).h -o $$@

$(1): $(2) $$(if $$(TEST_PCH),$(BUILD)/tests/obj/$(4).h.gch)
	$$(call say,CXX,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CXX) $(3) $$(CXXSTD) $$(TEST_WARN) $$(INCLUDE) $$(TEST_PCH:%=-include $(BUILD)/tests/obj/$(4).h) \
		-c $$< -o $$@
endef
TEST_LIVE := $(filter $(BUILD)/tests/obj/net/%_test.o $(BUILD)/tests/obj/apps/%_test.o,$(TEST_OBJECTS))
$(eval $(call compile_tests,$(TEST_LIVE): $(BUILD)/tests/obj/%.o,tests/%.cpp,$$(LIVE_CXXFLAGS),live))
$(eval $(call compile_tests,$(filter-out $(TEST_LIVE),$(TEST_OBJECTS)): $(BUILD)/tests/obj/%.o,tests/%.cpp,$$(TEST_CXXFLAGS),common))

# objects of the support files of folder $(1)
ifeq ($(UNITY),1)
test_support = $(foreach f,$(SUPPORT_OF_$(1)) $(filter $(SUPPORT_DIRS),$(1)),$(BUILD)/unity/tests/$(f).o)
SUPPORT_DIRS := $(sort $(patsubst tests/%/,%,$(dir $(TEST_SUPPORT))))
$(foreach f,$(SUPPORT_DIRS),$(eval $(call in_one,$(BUILD)/unity/tests/$(f),$(filter tests/$(f)/%,$(TEST_SUPPORT)))))

$(BUILD)/unity/tests/%.o: $(BUILD)/unity/tests/%.cpp $(if $(TEST_PCH),$(BUILD)/tests/obj/common.h.gch)
	$(call say,CXX,$@)
	$(Q)$(CXX) $(TEST_CXXFLAGS) $(CXXSTD) $(TEST_WARN) $(INCLUDE) \
		$(TEST_PCH:%=-include $(BUILD)/tests/obj/common.h) -c $< -o $@
$(BUILD)/unity/tests/bpf.o: $(TEST_SKELS)
-include $(wildcard $(BUILD)/unity/*.d $(BUILD)/unity/tests/*.d)
else
test_support = $(patsubst tests/%.cpp,$(BUILD)/tests/obj/%.o,$(filter $(foreach f,$(SUPPORT_OF_$(1)) $(1),tests/$(f)/%),$(TEST_SUPPORT)))
endif
SUPPORT_OF_net  := net/support
SUPPORT_OF_apps := net/support

TEST_LINK = -lgtest -lgtest_main $(LIBBPF) $(AGENT_LIBS)

define test_program # $(1): folder, $(2): name
$(BUILD)/tests/$(2): $(BUILD)/tests/obj/$(1)/$(2).o \
		$(sort $(call test_support,$(1)) $(call test_support,unit)) $(TEST_LIBRARIES)
	$$(call say,LINK,$$@)
	$$(Q)$$(CXX) $$(TEST_CXXFLAGS) -pthread -o $$@ $$^ $$(TEST_LINK)
endef
$(foreach s,$(TEST_SOURCES),$(eval $(call \
	test_program,$(patsubst tests/%/,%,$(dir $(s))),$(basename $(notdir $(s))))))

-include $(TEST_OBJECTS:.o=.d) $(TEST_BPF:%=$(BUILD)/tests/bpf/%.bpf.d)
