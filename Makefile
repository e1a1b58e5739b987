# Everything that is done with this repository, for a person and for CI alike. "make" lists it.
#
# Needed beforehand: Debian 12 and the Swift toolchain. The rest comes from Debian's packages.

SWIFT ?= swift
# What is installed, and where to. A package is made with DESTDIR=some/folder PREFIX=/usr.
BINARY ?= .build/pgcaretaker
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
# The Debian tree that the tests on a real systemd boot. It is made once and never written to again.
SYSTEM_TREE ?= $(CURDIR)/.build-system-tree/tree
# Handed on by "make try" and "make bench".
ARGS ?=

# The program links libpq, libsystemd and SQLite; zstd and a PostgreSQL server are for "try" and the tests, which start
# servers of their own. The cluster that Debian's package may start is not touched. Schedules and zones are held against
# what systemd-analyze, croniter and Python make of them.
PACKAGES = binutils git pkg-config libpq-dev libsystemd-dev libsqlite3-dev zstd postgresql postgresql-client \
    systemd tzdata python3 python3-croniter
SYSTEM_PACKAGES = systemd-container debootstrap util-linux ca-certificates

SUDO = $(if $(filter-out 0,$(shell id -u)),sudo)
# Static, so that one file runs on any Debian machine without a Swift runtime.
RELEASE = -c release --static-swift-stdlib
# In tests our own warnings are errors. (As a flag on the command line it would hit the dependencies too.)
STRICT = PGCARETAKER_STRICT=1
SOURCES = Package.swift Sources Tests $(wildcard Benchmarks)
SCRIPTS = .ci/run Tests/System/make-tree Tests/System/boot

.DEFAULT_GOAL = help
.PHONY: help deps deps-system build try test test-unit test-system build-tests system-tree lint format bench install \
    uninstall clean
.NOTPARALLEL:

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# $(call debian,PACKAGES) installs those that are missing. With nothing missing it does nothing and needs no network.
debian = @missing=$$(for package in $(1); do \
	    dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || echo $$package; \
	done); \
	if [ -n "$$missing" ]; then \
	    echo "installing from Debian:" $$missing; \
	    $(SUDO) apt-get -q update || echo "apt-get update had problems; going on" >&2; \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install \
	        --no-install-recommends $$missing </dev/null; \
	fi

deps: ## install the Debian packages that are missing (with sudo unless root)
	$(call debian,$(PACKAGES))

deps-system: deps
	$(call debian,$(SYSTEM_PACKAGES))

build: deps ## build the release binary, .build/pgcaretaker
	$(SWIFT) build $(RELEASE) --product pgcaretaker
	strip -o .build/pgcaretaker "$$($(SWIFT) build $(RELEASE) --show-bin-path)/pgcaretaker"

try: build ## see it work: a private PostgreSQL with sample data, all jobs run once (ARGS="--keep")
	@.build/pgcaretaker try $(ARGS)

test: test-unit test-system ## all tests: unit, integration (a private PostgreSQL), on a real systemd

build-tests: deps
	$(STRICT) $(SWIFT) build --build-tests

test-unit: build-tests ## unit and integration tests only
	$(STRICT) $(SWIFT) test --skip-build --skip '^SystemTests\.'

system-tree: deps-system
	@$(SUDO) env PGCARETAKER_MIRROR="$(PGCARETAKER_MIRROR)" Tests/System/make-tree "$(SYSTEM_TREE)"

# The test program is started by itself, not through "swift test", so that root leaves nothing of its own in .build.
test-system: build build-tests system-tree ## the tests on a real systemd only (with sudo unless root)
	$(SUDO) env PGCARETAKER_SYSTEM_TREE="$(SYSTEM_TREE)" \
	    "$$($(STRICT) $(SWIFT) build --show-bin-path)/pgcaretakerPackageTests.xctest" \
	    --testing-library swift-testing --filter '^SystemTests\.'

lint: ## check the style of the sources
	$(SWIFT) format lint --strict --parallel --recursive $(SOURCES)
	@for script in $(SCRIPTS); do bash -n $$script || exit; done

format: ## bring the sources into style
	$(SWIFT) format --in-place --parallel --recursive $(SOURCES)

bench: build ## measure against pg_dump and a plain DELETE, side by side
	$(SWIFT) build $(RELEASE) --product Benchmarks
	@"$$($(SWIFT) build $(RELEASE) --show-bin-path)/Benchmarks" $(ARGS)

# Only if there is none: "sudo make install" after "make build" must not build again, as root.
$(BINARY):
	$(MAKE) build

ETC = $(DESTDIR)$(SYSCONFDIR)/pgcaretaker
DOC = $(DESTDIR)$(PREFIX)/share/doc/pgcaretaker
LIB = $(DESTDIR)$(PREFIX)/lib
# Without DESTDIR this is the system itself: the user and the folders are created, the catalogue compiled, systemd told.
# With DESTDIR whoever packages the files does that, and lets the group pgcaretaker read the configuration.

install: $(BINARY) ## install into DESTDIR, PREFIX (/usr/local); an existing configuration is kept
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(ETC)/conf.d" "$(DOC)/examples" \
	    "$(LIB)/systemd/system" "$(LIB)/systemd/catalog" "$(LIB)/sysusers.d" "$(LIB)/tmpfiles.d"
	install -m 755 "$(BINARY)" "$(DESTDIR)$(PREFIX)/bin/pgcaretaker"
	sed -e 's|=/usr/bin/|=$(PREFIX)/bin/|' -e 's|=file:/usr/share/|=file:$(PREFIX)/share/|' systemd/pgcaretaker.service | \
	    install -m 644 /dev/stdin "$(LIB)/systemd/system/pgcaretaker.service"
	sed -e 's|: file:/usr/share/|: file:$(PREFIX)/share/|' systemd/pgcaretaker.catalog | \
	    install -m 644 /dev/stdin "$(LIB)/systemd/catalog/pgcaretaker.catalog"
	install -m 644 systemd/pgcaretaker.sysusers "$(LIB)/sysusers.d/pgcaretaker.conf"
	install -m 644 systemd/pgcaretaker.tmpfiles "$(LIB)/tmpfiles.d/pgcaretaker.conf"
	install -m 644 $(wildcard README.md CHANGELOG.md) "$(DOC)"
	install -m 644 systemd/*.example etc/pgcaretaker.toml "$(DOC)/examples"
	install -m 644 etc/grants.sql "$(ETC)/grants.sql"
ifeq ($(DESTDIR),)
	systemd-sysusers "$(LIB)/sysusers.d/pgcaretaker.conf"
endif
	@for file in pgcaretaker.toml $(patsubst etc/%,%,$(wildcard etc/conf.d/*)); do \
	    if [ -e "$(ETC)/$$file" ]; then echo "$(ETC)/$$file is kept as it is"; else \
	    install -m 640 $(if $(DESTDIR),,-g pgcaretaker) "etc/$$file" "$(ETC)/$$file"; fi || exit; \
	done
ifeq ($(DESTDIR),)
	systemd-tmpfiles --create "$(LIB)/tmpfiles.d/pgcaretaker.conf"
	journalctl --update-catalog
	test ! -d /run/systemd/system || systemctl daemon-reload
endif

uninstall: ## remove what install installed, but no configuration, history or backup
ifeq ($(DESTDIR),)
	test ! -d /run/systemd/system || systemctl disable --now pgcaretaker.service
endif
	rm -f "$(DESTDIR)$(PREFIX)/bin/pgcaretaker" "$(LIB)/systemd/system/pgcaretaker.service" \
	    "$(LIB)/systemd/catalog/pgcaretaker.catalog" "$(LIB)/sysusers.d/pgcaretaker.conf" \
	    "$(LIB)/tmpfiles.d/pgcaretaker.conf"
	rm -rf "$(DOC)"
ifeq ($(DESTDIR),)
	journalctl --update-catalog
	test ! -d /run/systemd/system || systemctl daemon-reload
endif

clean: ## remove everything that was built, the tree for the tests on systemd included
	rm -rf .build
	if [ -e "$(SYSTEM_TREE)" ]; then $(SUDO) rm -rf --one-file-system "$(SYSTEM_TREE)" "$(SYSTEM_TREE)".*; fi
