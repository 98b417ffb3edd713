# SPDX-License-Identifier: BSD-2-Clause
# The benchmark of growing tables, which `make` does not build.  SCALE="--quick --only live" passes options.

SCALE    ?=
TP_SCALE_SOURCES := $(wildcard tools/bench-scale/*.cpp)
ifeq ($(UNITY),1)
TP_SCALE := $(BUILD)/unity/bench-scale.o
$(eval $(call in_one,$(BUILD)/unity/bench-scale,$(TP_SCALE_SOURCES)))
else
TP_SCALE := $(TP_SCALE_SOURCES:%.cpp=$(BUILD)/%.o)
endif
# the parts of tools/bench that it uses
TP_SCALE_BENCH := $(patsubst %,$(BUILD)/tools/bench/%.o,agent bpf_stats cell client command cpu hooks place plan \
	process server summary wire)

.PHONY: bench-scale
bench-scale: $(BUILD)/bench-scale $(BUILD)/truepeer ## measure what a connection costs beside many connections, services, denied networks (root)
	$(Q)$(BUILD)/bench-scale --truepeer $(BUILD)/truepeer --output-dir $(BUILD)/bench-results $(SCALE)

$(BUILD)/tools/bench-scale/%.o: tools/bench-scale/%.cpp
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS) $(CXXSTD) $(INCLUDE) -c $< -o $@

$(BUILD)/bench-scale: $(TP_SCALE) $(TP_SCALE_BENCH) $(TP_FMT)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(CXXFLAGS) -pthread $^ -o $@ $(LIBBPF_STATIC)

-include $(TP_SCALE:.o=.d)
