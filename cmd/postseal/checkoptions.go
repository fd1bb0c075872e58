package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"postseal/internal/ground/fetch"
	"postseal/internal/keep/revocation"
	"postseal/internal/keep/trust"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/probe"
)

// hostsFile returns what reads a file of hosts from its beginning.
func (a *app) hostsFile(name string) (func() iter.Seq2[probe.Host, error], error) {
	if name == "-" {
		text, err := io.ReadAll(io.LimitReader(a.in, maxStandardInput+1))
		if err != nil {
			return nil, fmt.Errorf("reading standard input: %w", err)
		}
		if len(text) > maxStandardInput {
			return nil, &usageError{fmt.Errorf("standard input is longer than %d MiB; give it as a file", maxStandardInput>>20)}
		}
		return func() iter.Seq2[probe.Host, error] { return probe.ReadHosts(bytes.NewReader(text)) }, nil
	}
	if info, err := os.Stat(name); err != nil {
		return nil, fmt.Errorf("reading the hosts: %w", err)
	} else if info.IsDir() {
		return nil, &usageError{fmt.Errorf("--from %s: is a directory", name)}
	}
	return func() iter.Seq2[probe.Host, error] {
		return func(yield func(probe.Host, error) bool) {
			f, err := os.Open(name)
			if err != nil {
				yield(probe.Host{}, fmt.Errorf("reading the hosts: %w", err))
				return
			}
			defer f.Close()
			probe.ReadHosts(f)(yield)
		}
	}, nil
}

// checkOptions checks the other flags.
func (a *app) checkOptions(c checking) (probe.Options, error) {
	o := probe.Options{Quick: c.quick, Limit: c.limit}
	var err error
	if o.Revocation, err = trust.ParseMode(c.revocation); err != nil {
		return o, err
	}
	if c.resolver != "" {
		resolver, err := probe.NewResolver(c.resolver)
		if err != nil {
			return o, err
		}
		o.Resolver = resolver
	}
	anchors, err := trust.SystemAnchors()
	if err != nil && !errors.Is(err, trust.ErrNoSystemStore) {
		return o, err
	}
	source, err := revocationSource(o.Revocation)
	if err != nil {
		return o, err
	}
	o.Machine, err = trust.New(trust.Options{Anchors: anchors, Revocation: source})
	return o, err
}

// revocationSource asks the addresses in certificates, under the policy for addresses that strangers choose, and keeps
// the answers in memory. Nil when nobody shall be asked.
func revocationSource(mode trust.Mode) (trust.Revocation, error) {
	if mode == trust.ModeOff {
		return nil, nil
	}
	client, err := fetch.New(fetch.Options{})
	if err != nil {
		return nil, err
	}
	checker, err := revocation.Open(revocation.Options{Fetch: client})
	if err != nil {
		return nil, err
	}
	return &trust.Checker{Checker: checker}, nil
}

// anchorsOfOurs judges by the anchors of the organisation too, if there is one that this user may read. Without one there
// is nobody to ask; that is no error, and makes no directory.
func (a *app) anchorsOfOurs(ctx context.Context, o probe.Options) (probe.Verifier, error) {
	if _, err := os.Stat(filepath.Join(a.data, "postseal.db")); err != nil {
		return nil, nil
	}
	believed, err := call[desk.Believed](ctx, a, "check/believed", admin.Nothing{})
	if errors.Is(err, context.Canceled) {
		return nil, err
	}
	if err != nil {
		if a.verbose || !errors.Is(err, fs.ErrPermission) {
			fmt.Fprintf(a.err, "postseal: warning: our own anchors are not asked: %s\n", oneLine(err.Error()))
		}
		return nil, nil
	}
	source, err := revocationSource(o.Revocation)
	if err != nil {
		return nil, err
	}
	return believed.Verifier(source)
}
