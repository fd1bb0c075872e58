package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"postseal/internal/ground/config"
	"postseal/internal/ground/hsm"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// startingUp is how long a command waits for a server that has the directory but not yet its socket.
const startingUp = 10 * time.Second

// connect returns a client of the server that runs on the data directory, or, when none runs, of the
// state itself. Close it after use.
func (a *app) connect(ctx context.Context) (*admin.Client, func(), error) {
	client, done, err := a.reach(ctx)
	if err != nil || a.server == "" {
		return client, done, err
	}
	var s desk.Status
	if err := client.Call(ctx, "status/show", admin.Nothing{}, &s); err != nil {
		done()
		return nil, nil, err
	}
	name := a.server
	if d, err := x509cert.ParseDomain(name); err == nil {
		name = string(d)
	}
	if s.Server != name {
		done()
		return nil, nil, &desk.UnknownServerError{Name: a.server}
	}
	return client, done, nil
}

func (a *app) reach(ctx context.Context) (*admin.Client, func(), error) {
	nothing := func() {}
	if a.far.remote != "" {
		client, err := a.dialRemote(ctx)
		return client, nothing, err
	}
	deadline := time.Now().Add(startingUp)
	for {
		if client, err := admin.Dial(ctx, a.data); err == nil {
			return client, nothing, nil
		}
		db, err := state.Open(ctx, state.Options{Dir: a.data})
		if err == nil {
			return a.local(ctx, db)
		}
		// A server that is starting, or stopping, has the directory without answering.
		if held, ok := errors.AsType[*state.InUseError](err); !ok || held.Holder != state.HolderServe || time.Now().After(deadline) {
			return nil, nil, err
		}
		select {
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// local opens the organisation in db for one command.
func (a *app) local(ctx context.Context, db *state.DB) (*admin.Client, func(), error) {
	// Only notice test uses the channels, and only our own authority the module. A configuration that cannot be read is for serve to refuse: what mends a
	// state must work without it.
	var noticing desk.Noticing
	var module *hsm.Module
	if file, err := config.Read(a.config, false); err == nil {
		if module, err = a.securityModule(file.SecurityModule); err != nil {
			module = nil
		}
		if noticing, err = a.noticing(file.Notices, hostName()); err != nil {
			noticing = desk.Noticing{}
		}
	}
	d, err := desk.Open(ctx, desk.Options{State: db, Sealing: a.sealing, Config: a.config, Notices: noticing, Module: module, ZLint: zlintProgram()})
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	done := func() {
		// No server does it later. What was changed is changed, whatever comes of this; the next command tries again.
		if err := d.SealAudit(context.WithoutCancel(ctx)); err != nil {
			fmt.Fprintf(a.err, "postseal: warning: %s\n", oneLine(err.Error()))
		}
		if module != nil {
			if err := module.Close(); err != nil {
				fmt.Fprintf(a.err, "postseal: warning: closing the security module: %v\n", err)
			}
		}
		if err := db.Close(); err != nil {
			fmt.Fprintf(a.err, "postseal: warning: closing the state: %v\n", err)
		}
	}
	return admin.Local(d, me()), done, nil
}

// me is who runs this command.
func me() state.Actor {
	return state.Actor{Who: admin.UserName(os.Getuid()), From: "command"}
}

// call runs one act and reads its answer.
func call[Answer any](ctx context.Context, a *app, act string, request any) (Answer, error) {
	var answer Answer
	client, done, err := a.connect(ctx)
	if err != nil {
		return answer, err
	}
	defer done()
	err = client.Call(ctx, act, request, &answer)
	return answer, err
}
