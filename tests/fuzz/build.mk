# SPDX-License-Identifier: BSD-2-Clause
# The fuzzers: tests/fuzz/NAME_fuzz.cpp becomes build/fuzz/NAME_fuzz.

FUZZ_SECONDS  ?= 60
FUZZ_CXX      ?= clang++-19
FUZZ_FLAGS    := -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		 -DFMT_HEADER_ONLY -DTP_VERSION='"$(VERSION)"' -MMD -MP
FUZZ_PROGRAMS := $(patsubst tests/fuzz/%.cpp,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.cpp))

# what each of them is linked from, beside its own source
FUZZ_parser_fuzz := tests/unit/reference_parser.cpp tests/unit/header_cases.cpp
FUZZ_tlv_fuzz    := userspace/cli/tlv.cpp $(patsubst %,userspace/lib/%.cpp,tlv tlv_types tlv_values)

.PHONY: fuzz fuzzers
fuzz: fuzzers ## run the fuzzers, FUZZ_SECONDS each
	$(Q)tests/fuzz/run $(FUZZ_SECONDS)

fuzzers: $(FUZZ_PROGRAMS) $(BUILD)/fuzz/seeds

define fuzz_program # $(1): name
$(BUILD)/fuzz/$(1): $(patsubst %.cpp,$(BUILD)/fuzz/obj/%.o,tests/fuzz/$(1).cpp $(FUZZ_$(1)))
	$$(call say,LINK,$$@)
	$$(Q)$$(FUZZ_CXX) $$(FUZZ_FLAGS) $$^ -o $$@ -lbpf -lgtest
endef
$(foreach f,$(notdir $(FUZZ_PROGRAMS)),$(eval $(call fuzz_program,$(f))))

$(BUILD)/fuzz/obj/%.o: %.cpp
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CXX) $(FUZZ_FLAGS) $(INCLUDE) -c $< -o $@

$(BUILD)/fuzz/seeds: tests/fuzz/make_seeds tests/data/header-cases.tsv
	$(call say,SEEDS,$@)
	@mkdir -p $(@D)
	$(Q)tests/fuzz/make_seeds tests/data/header-cases.tsv $@
	@touch $@

-include $(shell find $(BUILD)/fuzz/obj -name '*.d' 2>/dev/null)
