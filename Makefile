# Two commands on a fresh Debian machine with Go, make and apt:
#   make demo    installs what is missing, and validates the example driver against four real kernels
#   make test    installs what is missing, and runs every check and test, real guests included

SHELL     := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export GOTOOLCHAIN ?= local
OUT       ?= modmatrix-out
DEMO      ?= suites/example/driver
DEMO_SUITE?= $(DEMO)/suites/fifo
KERNELS   ?= debian:bullseye debian:bookworm debian:trixie debian:trixie-backports

# package : a file of it, to see whether it is installed : what it is for
RUN_NEEDS := \
	qemu-system-x86:/usr/bin/qemu-system-x86_64:boots_the_kernels \
	mmdebstrap:/usr/bin/mmdebstrap:makes_the_roots_that_modules_are_compiled_in \
	uidmap:/usr/bin/newuidmap:lets_mmdebstrap_work_without_root \
	bubblewrap:/usr/bin/bwrap:keeps_the_Makefile_of_a_module_in_a_sandbox \
	debian-archive-keyring:/usr/share/keyrings/debian-archive-keyring.gpg:verifies_the_packages_of_Debian \
	xz-utils:/usr/bin/xz:unpacks_kernels
RPM_NEEDS := $(RUN_NEEDS) \
	apt:/usr/bin/apt-get:reads_the_archive \
	dpkg:/usr/bin/dpkg-deb:unpacks_its_packages
TEST_NEEDS := $(RUN_NEEDS) \
	gcc:/usr/bin/gcc:the_race_detector_needs_cgo \
	libc6-dev:/usr/include/stdlib.h:the_race_detector_needs_cgo \
	git:/usr/bin/git:tests_of_work_trees \
	perl:/usr/bin/perl:runs_the_scripts_of_a_kernels_tree \
	unifdef:/usr/bin/unifdef:resolves_conditionals_for_other_kernels \
	kmod:/usr/sbin/depmod:says_what_the_modules_of_a_built_kernel_need \
	openssh-client:/usr/bin/ssh-keygen:verifies_the_signatures_of_evidence \
	gnupg:/usr/bin/gpg:signs_the_archive_that_tests_tamper_with \
	gdb:/usr/bin/gdb:debugs_the_init_of_a_module_in_a_guest \
	procps:/usr/bin/pgrep:looks_for_processes_that_a_killed_run_left \
	qemu-system-arm:/usr/bin/qemu-system-aarch64:boots_kernels_of_arm64 \
	qemu-system-misc:/usr/bin/qemu-system-s390x:boots_kernels_of_s390x \
	qemu-user-static:/usr/bin/qemu-s390x-static:runs_tests_for_s390x

ARCH_NEEDS := \
	qemu-system-arm:/usr/bin/qemu-system-aarch64:boots_kernels_of_arm64_and_armhf \
	qemu-system-misc:/usr/bin/qemu-system-s390x:boots_kernels_of_riscv64_and_s390x \
	qemu-system-ppc:/usr/bin/qemu-system-ppc64:boots_kernels_of_ppc64el \
	qemu-user-static:/usr/bin/qemu-s390x-static:runs_tests_for_other_processors

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^##@ / { print "\n" substr($$0, 5) } /^[a-z-]+:.*## / { printf "  %-16s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# install LIST: installs what of LIST is missing with apt-get, and prints what for; silent when nothing is missing.
define install
	missing=""; \
	for need in $(1); do \
		IFS=: read -r package file why <<<"$$need"; \
		[ -e "$$file" ] && continue; \
		echo "setup: $$package is missing ($${why//_/ })"; missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
		sudo=""; [ "$$(id -u)" = 0 ] || sudo="sudo"; \
		echo "setup: $$sudo apt-get install$$missing"; \
		$$sudo apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -qq -y --no-install-recommends $$missing >/dev/null; \
	fi
endef

# every OPTIONS,TARGETS: makes all targets, whichever of them fail, and fails at the end, where it lists what failed: whoever
# reads only the end of a log reads what matters.
define every
	log="$$(mktemp)"; trap 'rm -f "$$log"' EXIT; code=0; \
	$(MAKE) -f $(firstword $(MAKEFILE_LIST)) --no-print-directory -k $(1) $(2) 2>&1 | tee "$$log" || code=$$?; \
	if [ $$code != 0 ]; then \
		echo "== failed:"; \
		sed -nE 's/^[[:space:]]*(--- FAIL: .*|FAIL[[:space:]]+[^[:space:]].*|panic: test timed out.*|make.*\*\*\* \[.*)/\1/p' "$$log" | awk '!seen[$$0]++'; \
	fi; exit $$code
endef

##@ The two commands
.PHONY: demo test
demo: setup build ## validate the example driver against four real kernels
	bin/modmatrix run $(DEMO) $(KERNELS:%=-k %) --suite lifecycle --suite $(DEMO_SUITE) -o $(OUT)
test: setup-test ## every check and test, real guests included; all of them, whatever fails, and what failed at the end
	@$(call every,,check unit foreign real)

##@ The program
.PHONY: build man setup setup-test
build: ## build bin/modmatrix
	@go build -o bin/modmatrix ./cmd/modmatrix
man: ## write the manual pages into man/
	@go run ./cmd/modmatrix man man
setup: ## install what a run needs
	@$(call install,$(RUN_NEEDS))
setup-test: ## install what the tests need
	@$(call install,$(TEST_NEEDS))

##@ A release
DIST ?= dist
.PHONY: dist dist-check
dist: setup ## everything of a release in dist/: static binary, .deb, .rpm, tarball, SHA256SUMS
	@RUN_NEEDS='$(RUN_NEEDS)' RPM_NEEDS='$(RPM_NEEDS)' contrib/release/dist '$(DIST)'
dist-check: dist ## make it again in a clone with an empty store, compare, and use it without Go on a real kernel
	@$(call install,rpm:/usr/bin/rpm:reads_the_package)
	@clone="$$(mktemp -d)"; trap 'rm -rf "$$clone"' EXIT; git clone -q . "$$clone/source"; \
	MODMATRIX_CACHE="$$clone/cache" $(MAKE) -C "$$clone/source" dist DIST="$$clone/dist"; \
	cmp '$(DIST)/SHA256SUMS' "$$clone/dist/SHA256SUMS" && echo "dist-check: the same bytes"
	MODMATRIX_TEST_DIST='$(abspath $(DIST))' go test -count=1 -run '^TestRealDist$$' -v ./cmd/modmatrix

##@ Tests
FIELD_ONLY ?=
ARCH ?=
.PHONY: packages objects checks check unit foreign real day zoo field field-drivers sweep hand-over oracle readers real-here day-here real-source
check: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt -w these files"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
unit: ## every test but those that need real kernels, the slow ones included; go vet is make check's
	MODMATRIX_SLOW=1 go test -race -vet=off -timeout 30m ./...
foreign: setup-test ## vet all of it as for a host of arm64, and run the tests of what host and guest say to each other on s390x, which is big-endian
	GOARCH=arm64 CGO_ENABLED=0 go vet ./...
	PACKAGES='./results/arch ./results/wire/... ./suites/procfs' contrib/test-arch s390x
real: ## the tests that need real kernels, their packages, or the archive; two programs at once, and all of them, whatever fails
	@$(call every,-j2 -O,real-guests real-rooms real-objects real-watch real-agreement real-field real-day)
arch: setup-test ## boot, freeze, clone and end guests of ARCH="riscv64 armhf i386 ppc64el", or of others, and run the example in them
	@$(call install,$(ARCH_NEEDS))
	MODMATRIX_REAL=1 MODMATRIX_TEST_ARCHS='$(or $(ARCH),riscv64 armhf i386 ppc64el)' go test -vet=off -count=1 -timeout 180m -run '^TestRealArch$$' -v ./harness
test-arch: setup-test ## the tests of what runs in guests, compiled for each architecture and run by QEMU's emulation of its programs
	@$(call install,$(ARCH_NEEDS))
	contrib/test-arch $(ARCH)
.PHONY: arch test-arch real-guests real-rooms real-objects real-watch real-agreement real-field real-day
real-guests:
	MODMATRIX_REAL=1 go test -vet=off -count=1 -timeout 40m -run '^(TestReal|TestAFloodOfConsole$$)' -skip '^TestReal(Rooms|Objects.*|Checks)$$' -v ./harness
real-objects:
	MODMATRIX_REAL=1 go test -vet=off -count=1 -timeout 40m -run '^TestRealObjects$$/^example' -v ./harness
real-rooms:
	MODMATRIX_REAL=1 go test -vet=off -count=1 -timeout 40m -run '^TestRealRooms$$' -v ./harness
real-watch:
	MODMATRIX_REAL=1 go test -vet=off -count=1 -timeout 10m -run '^TestRealWatch$$' -v ./harness/watch
real-agreement:
	MODMATRIX_REAL=1 go test -vet=off -count=1 -timeout 20m -run '^TestReal' ./cmd/modmatrix-bench/agreement
real-field:
	MODMATRIX_REAL=1 go test -vet=off -count=1 -timeout 20m -run '^TestReal' ./kernels/field
real-day:
	MODMATRIX_REAL=1 go test -vet=off -count=1 -timeout 20m -run '^TestRealDay$$' -v ./cmd/modmatrix
objects: setup-test ## builds with objects of earlier ones, good and damaged, against builds from nothing, to the byte; a quarter of an hour
	MODMATRIX_REAL=1 go test -count=1 -timeout 60m -run '^TestRealObjects' -v ./harness
checks: setup-test ## what modmatrix check counts, against the tools run by hand, on two kernels; a quarter of an hour
	MODMATRIX_REAL=1 go test -count=1 -timeout 60m -run '^TestRealChecks$$' -v ./harness
packages: setup-test ## make all packages of the example driver, install them in every release of Debian, and load what is built there
	MODMATRIX_REAL=1 MODMATRIX_TEST_PACKAGES=all go test -count=1 -timeout 90m -run '^TestRealPackages$$' -v ./harness
day: setup-test ## an author, three testers and a bug on one kernel, from the first bundle to the letter, on three kernels; make real has it on two
	MODMATRIX_REAL=1 MODMATRIX_TEST_DAY="debian:bullseye/cloud-amd64 debian:trixie/cloud-amd64 debian:bookworm" go test -count=1 -timeout 60m -run '^TestRealDay$$' -v ./cmd/modmatrix
zoo: setup-test ## run every bad module for real, on the oldest, the middle and the newest kernels of this machine's architecture or of ARCH=arm64; about an hour
	ZOO_ARCH='$(ARCH)' MODMATRIX_REAL=1 go test -count=1 -timeout 120m -run '^TestZoo$$' -v ./harness
field: setup-test ## every case of kernels/field, or FIELD_ONLY=REGEXP; about ten minutes
	@$(call install,python3-minimal:/usr/bin/python3:packs_a_zip_archive)
	MODMATRIX_REAL=1 FIELD_ONLY='$(FIELD_ONLY)' go test -count=1 -timeout 120m -run '^TestField$$' -v ./kernels/field
field-drivers: setup-test ## drivers of other people, from checkouts in FIELD_DRIVERS=DIR, against kernels/field/drivers.json; an hour
	@test -n "$(FIELD_DRIVERS)" || { echo "make field-drivers FIELD_DRIVERS=DIR: a folder of checkouts, see kernels/field/README.md"; exit 2; }
	MODMATRIX_REAL=1 FIELD_ONLY='$(FIELD_ONLY)' FIELD_DRIVERS='$(abspath $(FIELD_DRIVERS))' go test -count=1 -timeout 600m -run '^TestDrivers$$' -v ./kernels/field
sweep: setup-test ## kill modmatrix, or every QEMU, at 20 points, and resume: the same matrix each time
	MODMATRIX_REAL=1 go test -count=1 -timeout 60m -run '^TestKillSweep$$' -v ./harness
hand-over: setup-test ## in a guest, take a USB keyboard from its driver, hand it to another QEMU, and give it back: TREE=DIR of a Debian kernel in the store
	@test -n "$(TREE)" || { echo "make hand-over TREE=DIR: the folder of a kernel with USB in the store's trees"; exit 2; }
	MODMATRIX_TEST_USB_TREE="$(TREE)" go test -count=1 -timeout 20m -run '^TestHandOverWithinAGuest$$' -v ./vm
oracle: ## compare the faults found in ORACLE_CONSOLES=DIR, recorded consoles of another project, with that project's verdicts
	@test -n "$(ORACLE_CONSOLES)" || { echo "make oracle ORACLE_CONSOLES=DIR: a folder of recorded consoles"; exit 2; }
	ORACLE_CONSOLES="$(abspath $(ORACLE_CONSOLES))" go test -count=1 -run '^TestOracle$$' -v ./vm/console
readers: readers-mail ## hold reports against other people's readers: KUNIT=…/tools/testing/kunit/kunit.py KCIDB_SCHEMA=v5.3.json AXE=axe.min.js
	@test -n "$(KUNIT)" -a -n "$(KCIDB_SCHEMA)" -a -n "$(AXE)" || { echo "make readers KUNIT=FILE KCIDB_SCHEMA=FILE AXE=FILE: kunit.py of a kernel's source, KCIDB's schema 5.3 as JSON, axe-core of npm"; exit 2; }
	@$(call install,chromium:/usr/bin/chromium:reads_the_page python3-minimal:/usr/bin/python3:runs_kunit.py)
	KUNIT="$(abspath $(KUNIT))" KCIDB_SCHEMA="$(abspath $(KCIDB_SCHEMA))" AXE="$(abspath $(AXE))" MODMATRIX_TEST_BROWSER=/usr/bin/chromium MODMATRIX_TEST_B4=/usr/bin/b4 go test -count=1 -run 'IsRead|IsValid' -v ./results/report
.PHONY: readers-mail
readers-mail: ## let b4 take the Tested-by of a reply out of a thread
	@$(call install,b4:/usr/bin/b4:takes_trailers_out_of_mail git:/usr/bin/git:has_the_commit_that_they_belong_to)
	MODMATRIX_TEST_B4=/usr/bin/b4 go test -count=1 -run '^TestReplyIsRead$$' -v ./results/report
real-here: setup-test ## modules in the running kernel of a Debian system, good and bad ones, over six of its boots; half an hour
	MODMATRIX_TEST_HERE=1 go test -count=1 -timeout 120m -run '^TestRealHere$$' -v ./cmd/modmatrix
day-here: setup-test ## the day, where one of the testers has a Debian system of her own, and uses its running kernel; half an hour
	MODMATRIX_REAL=1 MODMATRIX_TEST_HERE=1 go test -count=1 -timeout 120m -run '^TestRealDay$$' -v ./cmd/modmatrix
real-source: setup-test ## compile kernels from LINUX=linux-source-….tar.xz, and a module against each; an hour on two cores
	@test -n "$(LINUX)" || { echo "make real-source LINUX=FILE: a tarball of a kernel's source"; exit 2; }
	MODMATRIX_TEST_SOURCES="tar:$(LINUX) tar:$(LINUX)+kasan+lockdep+kmemleak" go test -count=1 -timeout 180m -run '^TestRealKernels$$' -v ./kernels/source

##@ Measuring
.PHONY: bench soak dkms-agreement
# twelve packages of all kinds, of which some are for every machine, and some for one alone
ARCH_PACKAGES := acpi-call-dkms ddcci-dkms dkms-test-dkms dm-writeboost-dkms evdi-dkms lime-forensics-dkms \
	mstflint-dkms rapiddisk-dkms reform2-lpc-dkms tp-smapi-dkms v4l2loopback-dkms vhba-dkms
bench: setup ## measure what modmatrix costs beside what it replaces: a table, and bench.json
	go run ./cmd/modmatrix-bench -o bench.json $(BENCH_FLAGS)
soak: setup ## 200 clones in a row and 16 at once: the same verdict each time, and nothing left behind
	go run ./cmd/modmatrix-bench soak
dkms-agreement: setup ## compare build verdicts with those of dkms, on real packages; with ARCH="arm64 s390x", of twelve of them on these architectures
	go run ./cmd/modmatrix-bench agreement $(foreach a,$(ARCH),-k debian:$(if $(filter riscv64,$a),trixie,bookworm)%$a) $(AGREEMENT_FLAGS) $(if $(ARCH),$(ARCH_PACKAGES))
