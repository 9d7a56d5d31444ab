# The face of the project: each target says in its recipe who does the work.
# Variables: FUZZ_SECONDS, TARGETS (of fuzz), BUILD (folder), PREFIX, DESTDIR (install), PYTHON (for tests and benchmarks).
BUILD ?= build
PREFIX ?= /usr/local
PYTHON ?= /usr/bin/python3
export BUILD PYTHON

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD)

# Fits the networks of the README to real data.
demo: all
	sh examples/demo.sh $(BUILD)

# All tests, also under the sanitizers.
check:
	sh tests/check.sh

# Random input for every reader, under sanitizers, for FUZZ_SECONDS each; what is found stays in $(BUILD)/fuzz/found.
fuzz:
	sh tests/fuzz.sh $(BUILD)/fuzz $(or $(FUZZ_SECONDS),600) $(TARGETS)

# Which lines and branches of src/ the tests reach.
coverage:
	sh tests/coverage.sh $(BUILD)-coverage

# Debian packages in $(BUILD)/deb, which lintian accepts.
deb:
	sh tests/deb.sh $(BUILD)/deb

# Compiles the proof from nothing; checks its assumptions, and its text against the library's bits.
proof: all
	sh tests/proof.sh $(BUILD)

# Figures beside the limit of memory and beside peers, which are installed when missing; make bench
# JSON=FILE also writes them as records.
bench:
	./setup packages bench
	sh bench/run.sh $(JSON)

# The Python package: wheel and source distribution in $(BUILD)/python, which install without this repository; its
# tests under the sanitizers; its overhead and memory.
python-package:
	$(PYTHON) bindings/python/backend/bnorm_build.py $(BUILD)/python

python-check: all
	sh bindings/python/check.sh $(BUILD)

python-asan: all
	sh bindings/python/check.sh $(BUILD) asan

python-overhead:
	$(PYTHON) bindings/python/backend/bnorm_build.py --in-place $(BUILD)/python-overhead
	PYTHONPATH=$(BUILD)/python-overhead $(PYTHON) bench/overhead.py

# The same, written into docs/performance.md, its plots and the README.
bench-docs:
	./setup packages bench
	sh bench/run.sh -d $(JSON)

# Worst errors of the matrix functions in ulp, against MPFR and beside peers: tables of docs/performance.md.
accuracy:
	./setup packages bench
	[ -f $(BUILD)-bench/build.ninja ] || meson setup $(BUILD)-bench -Dbench=true -Dtests=disabled
	ninja -C $(BUILD)-bench
	$(PYTHON) bench/exact.py $(BUILD)-bench

# How often the 95 % intervals of structured models contain the truth: tables of docs/structured.md.
bench-coverage:
	[ -f $(BUILD)-bench/build.ninja ] || meson setup $(BUILD)-bench -Dbench=true -Dtests=disabled
	ninja -C $(BUILD)-bench bench/bench_coverage
	$(BUILD)-bench/bench/bench_coverage 1000 100
	$(BUILD)-bench/bench/bench_coverage 1000 25

# The R package: a tarball in $(BUILD)/r that installs without this repository; its checks.
r-package:
	sh bindings/r/package.sh $(BUILD)/r

r-check: r-package
	sh bindings/r/check.sh $(BUILD)/r

# Time of a small call, and memory of a large one.
r-overhead: r-package
	mkdir -p $(BUILD)/r/library
	R CMD INSTALL --library=$(BUILD)/r/library $(BUILD)/r/bnorm_*.tar.gz
	R_LIBS=$(BUILD)/r/library Rscript bench/overhead.R memory

# Projecting fixed effects out, beside the packages that do.
r-demean: r-package
	./setup packages bench
	mkdir -p $(BUILD)/r/library
	R CMD INSTALL --library=$(BUILD)/r/library $(BUILD)/r/bnorm_*.tar.gz
	R_LIBS=$(BUILD)/r/library Rscript bench/demean.R

# Its tests under valgrind, and with a collection of garbage at every few allocations.
r-valgrind: r-package
	sh bindings/r/torture.sh $(BUILD)/r valgrind

r-gctorture: r-package
	sh bindings/r/torture.sh $(BUILD)/r gctorture

install: $(BUILD)/build.ninja
	meson configure $(BUILD) -Dprefix=$(PREFIX)
	ninja -C $(BUILD)
	meson install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

# What the last install wrote.
uninstall:
	ninja -C $(BUILD) uninstall

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-bench

.PHONY: all demo check fuzz proof bench bench-docs accuracy bench-coverage python-package python-check python-asan python-overhead \
    r-package r-check r-overhead r-demean r-valgrind r-gctorture deb coverage install uninstall clean
