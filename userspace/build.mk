# SPDX-License-Identifier: BSD-2-Clause
# The command and the library.

TP_BASE  := $(patsubst %.cpp,$(BUILD)/%.o,$(wildcard userspace/base/*.cpp))
TP_FMT   := $(BUILD)/userspace/base/format.o
TP_NAMES := $(BUILD)/userspace/lib/names.o $(BUILD)/userspace/lib/tlv_types.o
TP_AGENT_SOURCES := $(shell find userspace/agent -name '*.cpp' | sort)
TP_CLI_SOURCES   := $(wildcard userspace/cli/*.cpp)
TP_DOCTOR_SOURCES := $(wildcard userspace/doctor/*.cpp)
TP_METRICS_SOURCES := $(wildcard userspace/metrics/*.cpp)
ifeq ($(UNITY),1)
TP_AGENT := $(BUILD)/unity/agent.o
TP_CLI   := $(BUILD)/unity/cli.o $(BUILD)/unity/doctor.o
TP_METRICS := $(BUILD)/unity/metrics.o
$(eval $(call in_one,$(BUILD)/unity/agent,$(TP_AGENT_SOURCES)))
$(eval $(call in_one,$(BUILD)/unity/cli,$(TP_CLI_SOURCES)))
$(eval $(call in_one,$(BUILD)/unity/doctor,$(TP_DOCTOR_SOURCES)))
$(eval $(call in_one,$(BUILD)/unity/metrics,$(TP_METRICS_SOURCES)))
else
TP_AGENT := $(patsubst %.cpp,$(BUILD)/%.o,$(TP_AGENT_SOURCES))
TP_CLI   := $(patsubst %.cpp,$(BUILD)/%.o,$(TP_CLI_SOURCES) $(TP_DOCTOR_SOURCES))
TP_METRICS := $(patsubst %.cpp,$(BUILD)/%.o,$(TP_METRICS_SOURCES))
endif

ALL += $(BUILD)/truepeer

# the Makefile has VERSION
$(BUILD)/userspace/base/version.o $(BUILD)/userspace/lib/lookup.o: Makefile

$(BUILD)/userspace/%.o: userspace/%.cpp
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) $(CXXSTD) $(INCLUDE) $(TP_EXTRA) -c $< -o $@

$(BUILD)/unity/%.o: $(BUILD)/unity/%.cpp
	$(call say,CXX,$@)
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) $(CXXSTD) $(INCLUDE) -c $< -o $@

# the only files that need the skeleton
$(BUILD)/userspace/agent/load/programs.o $(BUILD)/userspace/agent/load/programs_load.o \
$(BUILD)/userspace/agent/load/programs_pin.o $(BUILD)/unity/agent.o: $(BUILD)/gen/truepeer.skel.h

TP_OBJECTS := $(TP_BASE) $(TP_NAMES) $(TP_AGENT) $(TP_METRICS) $(TP_CLI)

$(BUILD)/truepeer: $(TP_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(CXXFLAGS) $(LDFLAGS) -pthread $^ -o $@ $(AGENT_LINK)

-include $(TP_OBJECTS:.o=.d)

# ---- the library -------------------------------------------------------------

# the library does without the C++ run-time library, so that C programs link it with libbpf alone
TP_LIB_SONAME := libtruepeer.so.0
TP_LIB_OBJ    := $(patsubst %,$(BUILD)/userspace/lib/%.o,find handle kernel lookup peer tlv tlv_types tlv_values walk)
TP_LIB_MAP    := userspace/lib/libtruepeer.map
TP_LIB_FLAGS  := -fPIC -fno-exceptions -fno-rtti -fvisibility=hidden
# GCC clears a struct by `rep stos`, which takes longer than everything else that a look-up does
# outside the kernel
TP_LIB_FLAGS  += -fno-builtin-memset
TP_EXAMPLES   := $(patsubst userspace/lib/examples/%.cpp,$(BUILD)/examples/%,\
		   $(wildcard userspace/lib/examples/*.cpp)) $(BUILD)/examples/epoll_server

ALL += $(BUILD)/libtruepeer.a $(BUILD)/libtruepeer.so $(TP_EXAMPLES)

$(TP_LIB_OBJ): TP_EXTRA := $(TP_LIB_FLAGS)

$(BUILD)/libtruepeer.a: $(TP_LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# the exported symbols must be exactly those of the map
$(BUILD)/$(TP_LIB_SONAME): $(TP_LIB_OBJ) $(TP_LIB_MAP)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -shared -Wl,-soname,$(TP_LIB_SONAME) -Wl,-z,defs -Wl,--version-script=$(TP_LIB_MAP) \
		$(TP_LIB_OBJ) -o $@ -lbpf
	$(Q)nm -D --defined-only $@ | sed -n 's/.* T \([a-z0-9_]*\)@.*/\1/p' | sort > $@.symbols
	$(Q)sed -n 's/^\t\(truepeer_[a-z0-9_]*\);/\1/p' $(TP_LIB_MAP) | sort | diff - $@.symbols
	$(Q)! readelf -d $@ | grep 'NEEDED.*libstdc++'

$(BUILD)/libtruepeer.so: $(BUILD)/$(TP_LIB_SONAME)
	$(Q)ln -sf $(TP_LIB_SONAME) $@

.PHONY: abi
abi: $(BUILD)/$(TP_LIB_SONAME) ## record the library's ABI (tests/data), which later versions must not break
	$(call say,ABI,tests/data/libtruepeer.abi)
	$(Q)tools/abi dump $<

.SECONDARY: $(TP_EXAMPLES:$(BUILD)/examples/%=$(BUILD)/userspace/lib/examples/%.o)

# linked statically, so that the example runs from the build folder
$(BUILD)/examples/%: $(BUILD)/userspace/lib/examples/%.o $(BUILD)/libtruepeer.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS) $^ -o $@ $(LIBBPF_STATIC)

$(BUILD)/examples/epoll_server: $(BUILD)/userspace/examples/epoll/epoll_server.o $(BUILD)/libtruepeer.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS) $^ -o $@ $(LIBBPF_STATIC)

-include $(BUILD)/userspace/examples/epoll/epoll_server.d $(TP_LIB_OBJ:.o=.d) $(wildcard $(BUILD)/userspace/lib/examples/*.d)

# the agent's parts, which tests may call directly
$(BUILD)/agent.a: $(TP_AGENT) $(TP_METRICS) $(filter-out $(TP_FMT),$(TP_BASE)) $(TP_NAMES)
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

TEST_LIBRARIES := $(BUILD)/libtruepeer.a $(BUILD)/agent.a $(TP_FMT)
