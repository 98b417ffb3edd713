# SPDX-License-Identifier: BSD-2-Clause
# The benchmark, which `make` does not build.  BENCH="--quick --only round" passes options.

BENCH   ?=
TP_BENCH := $(patsubst %.cpp,$(BUILD)/%.o,$(wildcard tools/bench/*.cpp))

.PHONY: bench
bench: $(BUILD)/bench $(BUILD)/truepeer ## compare plain TCP, a server's own parser, and the engines (root)
	$(Q)$(BUILD)/bench --truepeer $(BUILD)/truepeer --output-dir $(BUILD)/bench-results $(BENCH)

$(BUILD)/tools/bench/%.o: tools/bench/%.cpp
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS) $(CXXSTD) $(INCLUDE) -c $< -o $@

$(BUILD)/bench: $(TP_BENCH) $(TP_FMT)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(CXXFLAGS) -pthread $^ -o $@ $(LIBBPF_STATIC)

-include $(TP_BENCH:.o=.d)
