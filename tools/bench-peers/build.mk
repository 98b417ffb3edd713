# SPDX-License-Identifier: BSD-2-Clause
# The benchmark of real servers, which `make` does not build.  BENCH="--quick --servers nginx" passes options.

TP_PEERS_SOURCES := $(wildcard tools/bench-peers/*.cpp)
ifeq ($(UNITY),1)
TP_PEERS := $(BUILD)/unity/bench-peers.o
$(eval $(call in_one,$(BUILD)/unity/bench-peers,$(TP_PEERS_SOURCES)))
else
TP_PEERS := $(TP_PEERS_SOURCES:%.cpp=$(BUILD)/%.o)
endif
# the parts of tools/bench that it uses
TP_PEERS_BENCH := $(addprefix $(BUILD)/tools/bench/,agent.o bpf_stats.o command.o cpu.o place.o plan.o process.o summary.o)

.PHONY: bench-peers
bench-peers: $(BUILD)/bench-peers $(BUILD)/truepeer ## compare real servers: plain, with truepeer, and with the alternatives (root)
	$(Q)$(BUILD)/bench-peers --truepeer $(BUILD)/truepeer --output-dir $(BUILD)/bench-results $(BENCH)

$(BUILD)/tools/bench-peers/%.o: tools/bench-peers/%.cpp
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS) $(CXXSTD) $(INCLUDE) -c $< -o $@

$(BUILD)/bench-peers: $(TP_PEERS) $(TP_PEERS_BENCH) $(TP_FMT)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(CXXFLAGS) -pthread $^ -o $@ $(LIBBPF_STATIC)

-include $(TP_PEERS:.o=.d)
