# make run     build and start a trial server on 127.0.0.1; everything it keeps is in ./run
# make test    install what the tests need, run every test, end with their count
# make help    the rest

SHELL = /bin/sh
# One set of flags for the program and for vet, so that a clean machine compiles each dependency once for both.
PURE = CGO_ENABLED=0
BUILD = $(PURE) go build -trimpath
BINARY = $(CURDIR)/bin/postseal
FUZZTIME = 30s
# Peers of make bench that Debian has not, or has too old: GOBIN=DIR GOFLAGS=-mod=mod CGO_ENABLED=0 go install MODULE, with
# github.com/smallstep/certificates/cmd/step-ca@v0.30.2 and github.com/cloudflare/cfssl/cmd/cfssl@v1.6.5.
STEPCA =
CFSSL =
TESTFLAGS = -vet=off -count=1 -timeout 30m
# Where goroutines meet. The parsers and the arithmetic are not worth ten times the time. State, desk and pages are
# mostly SQL, which is ten times as slow too: of their tests those run with the race detector that start goroutines (the
# house has a rule for it). The rest of them, and the scripts of the command line, are raced in the long run.
MEETING = ./internal/issue/acmeserver ./internal/ground/state ./internal/steer/desk ./internal/steer/pages
MEET = ^Test(AKeyMakesSoManyAccounts|AppendsShareACommit|Close|DirectoryInUse|FinalizedTwice|ManyWriters|WhoReadsSlowlyIsInNobodysWay|ApprovedAtOnce|MessagesThatWait|NobodyRemembersWhatWas|OneAppendFails|RefusedCommitIsNotTakenForTheNext|RunKeepsAndTidies|StaleHolder|Watch|AFallThatFailsIsSeen|ActsAtOnce|ALinkWorksOnce|AuditIsNotSent|AuditRowsOutliveTheirCollector|BrowserCheck|EachListenerIsLookedAtOnceInAMinute|KillWhileAnAuthorityFalls|KillWhileIssuing|RevocationInService|RunAudit|RunNotices|ShardBound|SignedWhileChanging|TwoFinishWhatFalls|VerdictIsKept|WhoLeavesEndsTheLook)$$
RACED = ./internal/ground/health ./internal/ground/fetch ./internal/keep/... ./internal/serve/... $$(go list ./internal/steer/... | grep -vxF "$$(go list $(MEETING))")

# What needs the tag pkcs11, and SoftHSM.
MODULE = -tags pkcs11 -run '^TestS(oftHSM|ecurityModule)' ./internal/ground/hsm ./cmd/postseal

.PHONY: help run build pkcs11 test deps lint fuzz soak bench

help:
	@echo 'make run    build and start a trial server on 127.0.0.1, ports + 10000, data in ./run'
	@echo 'make build  bin/postseal, one static binary'
	@echo 'make pkcs11 bin/postseal-pkcs11, the program with keys in security modules; it needs a C compiler, and its C library'
	@echo 'make test   deps, lint and every test, raced where goroutines meet; the last line is the count'
	@echo 'make deps   install the programs that tests speak to (apt-get, as root)'
	@echo 'make lint   gofmt and go vet'
	@echo 'make fuzz   every fuzz target for FUZZTIME=$(FUZZTIME) each'
	@echo 'make soak   the same tests with large numbers: 1,000 swaps, 10,000 silent connections'
	@echo 'make bench  start-up time, cert list, idle memory, check beside openssl (docs/benchmarks.md)'

run: build
	@mkdir -p -m 0700 run
	@exec bin/postseal serve --trial --bind 127.0.0.1 --port-offset 10000 --data ./run

build:
	@mkdir -p bin
	$(BUILD) -o bin/postseal ./cmd/postseal
	$(BUILD) -o bin/postseal-zlint ./cmd/postseal-zlint

# PKCS #11 is a shared library in C, so this one is not static.
pkcs11:
	@mkdir -p bin
	CGO_ENABLED=1 go build -trimpath -tags pkcs11 -o bin/postseal-pkcs11 ./cmd/postseal

# The count is the parent of go test, not the end of a pipe: a failure cannot get lost on the way.
test: deps lint build
	@$(BUILD) -o bin/count ./internal/peers/count
	@POSTSEAL_BINARY=$(BINARY) bin/count -race $(TESTFLAGS) $(RACED) -- -race $(TESTFLAGS) -run '$(MEET)' $(MEETING) -- $(TESTFLAGS) $$(go list ./... | grep -vxF "$$(go list $(RACED))") -- $(TESTFLAGS) $(MODULE)

# Quick and quiet when everything is there. -race wants a C compiler and its headers.
deps:
	@missing=; \
	need() { command -v "$$1" >/dev/null 2>&1 || missing="$$missing $$2"; }; \
	have() { [ -s "$$1" ] || missing="$$missing $$2"; }; \
	need openssl openssl; need curl curl; need swaks swaks; perl -MNet::SSLeay -e 1 2>/dev/null || missing="$$missing libnet-ssleay-perl"; need python3 python3; need chromium chromium; \
	need postfix postfix; have /usr/lib/dovecot/imap-login dovecot-imapd; have /usr/lib/dovecot/pop3-login dovecot-pop3d; have /usr/lib/dovecot/managesieve-login dovecot-managesieved; need nginx nginx-light; have /usr/lib/nginx/modules/ngx_mail_module.so libnginx-mod-mail; need testssl testssl.sh; need age age; need script bsdutils; need certtool gnutls-bin; \
	need certbot certbot; need dehydrated dehydrated; need lego lego; need caddy caddy; need unbound unbound; \
	need pki strongswan-pki; have /usr/lib/ipsec/plugins/libstrongswan-openssl.so libstrongswan-standard-plugins; need osslsigncode osslsigncode; need jarsigner default-jdk-headless; \
	need softhsm2-util softhsm2; \
	need node nodejs; need npm npm; \
	need gcc gcc; need keytool default-jre-headless; need certutil libnss3-tools; have /usr/include/stdlib.h libc6-dev; have /etc/ssl/certs/ca-certificates.crt ca-certificates; \
	dpkg-query -W python3-cryptography-vectors >/dev/null 2>&1 || missing="$$missing python3-cryptography-vectors"; \
	need fc-list fontconfig; fc-list 2>/dev/null | grep -q 'Noto.*CJK' || missing="$$missing fonts-noto-cjk"; \
	[ -n "$$missing" ] || exit 0; \
	install="apt-get install --yes --no-install-recommends$$missing"; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "apt-get update && $$install"; \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive $$install; \
	else \
		echo "the tests need programs that are not installed; run as root: apt-get update && $$install" >&2; exit 1; \
	fi
	@cd internal/peers/node && cmp -s package-lock.json node_modules/.installed || { npm ci --no-audit --no-fund && cp package-lock.json node_modules/.installed; }

lint:
	@files=$$(gofmt -l .) || exit 1; \
	[ -z "$$files" ] || { echo "not formatted; run: gofmt -w" $$files >&2; exit 1; }
	$(PURE) go vet -trimpath ./...
	go vet -tags pkcs11 ./internal/ground/hsm

fuzz:
	@grep -Eron '^func Fuzz[A-Za-z0-9_]*' --include='*_test.go' . | sort | while IFS=: read -r file line name; do \
		name=$${name#func }; \
		echo "$$name in $$(dirname "$$file"), $(FUZZTIME)"; \
		go test -run='^$$' -fuzz="^$$name\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=100x "$$(dirname "$$file")" || exit 1; \
	done

soak: deps build
	@$(BUILD) -o bin/count ./internal/peers/count
	@POSTSEAL_SOAK=1 POSTSEAL_BINARY=$(BINARY) bin/count -count=1 -timeout 60m ./... -- -race -count=1 -timeout 60m ./cmd/... $(MEETING)

bench: build
	@$(BUILD) -o bin/spine ./bench/spine
	@bin/spine -binary $(BINARY)
	@go test -vet=off -run '^$$' -bench 'Many/(Backup|VerifyBackup)$$' -count 5 ./internal/steer/desk
	@$(BUILD) -o bin/many ./bench/many
	@bin/many -binary $(BINARY)
	@$(PURE) go test -vet=off -run '^$$' -bench 'Thousand|Million' ./internal/keep/trust ./internal/keep/revocation
	@$(BUILD) -o bin/bench-plan ./bench/plan
	@bin/bench-plan -binary $(BINARY)
	@$(BUILD) -o bin/bench-check ./bench/check
	@bin/bench-check -binary $(BINARY)
	@$(BUILD) -o bin/bench-acme ./bench/acme
	@bin/bench-acme -binary $(BINARY)
	@$(BUILD) -o bin/bench-ca ./bench/ca
	@bin/bench-ca -binary $(BINARY) -step-ca "$$(command -v step-ca || echo $(STEPCA))" -cfssl "$$(command -v cfssl || echo $(CFSSL))"
