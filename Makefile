# The two commands, and shortcuts over the CMake presets (CMakePresets.json is the build).
#   make demo     install what is missing, build, fetch the default model, fine-tune a classifier, use it
#   make test     install what is missing, build, run the core test suite
# and: make (build/bert), debug, clang, asan, tsan, fuzz, bench, bench-kernels, install, format, clean
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
MODEL ?= all-MiniLM-L6-v2
export CTEST_OUTPUT_ON_FAILURE = 1
build = @tools/build.sh $(1) $(JOBS) $(2)

build/bert: FORCE
	$(call build,release,bert_cli)
everything:
	$(call build,release)

demo: setup build/bert
	@tools/get_model.sh $(MODEL) >/dev/null
	@demo/run.sh build/bert $(MODEL)

test: setup everything
	@cd build && ctest -j$(JOBS)

# Of all the goals: setup runs once, whichever comes first.
NEEDS = build $(if $(filter demo bench,$(MAKECMDGOALS)),model) $(if $(filter bench,$(MAKECMDGOALS)),race)
setup:
	@tools/setup.sh $(NEEDS)

debug clang:
	$(call build,$@)
asan tsan:
	$(call build,$@)
	@cd build-$@ && ctest -j$(JOBS)

fuzz:
	$(call build,$@)
	@tests/run_fuzz.sh

# The race against other engines (RACE="--quick": docs/benchmarks.md); kernels against the machine's peak.
bench: setup everything
	@DATA="$(DATA)" bench/race.sh $(RACE)

bench-kernels: everything
	@build/bench_kernels

install: everything
	cmake --install build --prefix "$(PREFIX)"

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build build-*

FORCE:
.NOTPARALLEL:
.PHONY: FORCE everything demo test setup debug clang fuzz asan tsan bench bench-kernels install format clean
