# SPDX-License-Identifier: BSD-2-Clause
# The benchmark of look-ups, which `make` does not build.  ROUNDS=N sets the number of rounds.
# Google Benchmark is Debian's package libbenchmark-dev.

ROUNDS ?= 9

.PHONY: lookups
lookups: $(BUILD)/lookups $(BUILD)/truepeer ## measure look-ups, and what --getsockopt costs other calls (root)
	$(Q)$(BUILD)/lookups $(BUILD)/truepeer $(ROUNDS) --benchmark_min_time=0.1

$(BUILD)/tools/lookups/%.o: tools/lookups/%.cpp
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS) $(CXXSTD) $(INCLUDE) -c $< -o $@

$(BUILD)/lookups: $(BUILD)/tools/lookups/lookups.o $(patsubst %,$(BUILD)/tools/bench/%.o,place process) \
		$(BUILD)/libtruepeer.a $(TP_FMT)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(CXXFLAGS) -pthread $^ -o $@ -lbenchmark $(LIBBPF_STATIC)

-include $(BUILD)/tools/lookups/lookups.d
