package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) listenerCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List the listeners", Args: noArgs, Example: "  postseal listener list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			views, err := call[[]desk.ListenerView](cmd.Context(), a, "listener/list", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(views)
			}
			return a.printListeners(views)
		},
	}
	return noun("listener", "Listeners: the ports that this server answers on", list, a.listenerSetCommand("enable", true), a.listenerSetCommand("disable", false))
}

func (a *app) listenerSetCommand(verb string, enabled bool) *cobra.Command {
	short := "Open a listener, now and from now on"
	if !enabled {
		short = "Close a listener, now and from now on"
	}
	return &cobra.Command{
		Use: verb + " NAME", Short: short, Args: oneArg("the name of a listener"), Example: "  postseal listener " + verb + " pop3",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := (desk.ListenerRequest{Listener: args[0]}).Check(); err != nil {
				return err
			}
			return a.change(cmd.Context(), "listener/set", func(d desk.Doing) any {
				return desk.ListenerRequest{Doing: d, Listener: args[0], Enabled: enabled}
			})
		},
	}
}

func (a *app) printListeners(views []desk.ListenerView) error {
	t := a.table("LISTENER", "SERVICE", "ADDRESS", "PORT", "TLS", "STATE", "CERTIFICATE", "NAMES", "BACK END", "SESSIONS")
	for _, v := range views {
		state := v.State
		if state == desk.ListenerClosed {
			state = a.paint("red", state)
		}
		t.row(v.Listener, string(v.Service), v.Address, fmt.Sprint(v.Port), v.TLS, state, v.Certificate, strings.Join(v.Names, ", "), v.Backend, fmt.Sprint(v.Sessions))
	}
	if err := t.end(); err != nil {
		return err
	}
	a.printObjections(views)
	return nil
}

// printObjections says below a table what clients will not like, for each reason the listeners that it is about.
func (a *app) printObjections(views []desk.ListenerView) {
	var order []string
	at := make(map[string][]string)
	for _, v := range views {
		for _, text := range v.Objections {
			text = fmt.Sprintf("%q: %s", v.Certificate, text)
			if at[text] == nil {
				order = append(order, text)
			}
			at[text] = append(at[text], v.Listener)
		}
	}
	for _, text := range order {
		fmt.Fprintf(a.out, "%s: %s\n", strings.Join(at[text], ", "), text)
	}
}

func (a *app) serviceCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List the services with their listeners", Args: noArgs, Example: "  postseal service list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			views, err := call[[]desk.ServiceView](cmd.Context(), a, "service/list", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(views)
			}
			var all []desk.ListenerView
			t := a.table("SERVICE", "LISTENER", "PORT", "STATE", "CERTIFICATE", "NAMES", "BACK END", "SESSIONS")
			for _, s := range views {
				all = append(all, s.Listeners...)
				for _, v := range s.Listeners {
					t.row(string(s.Service), v.Listener, fmt.Sprint(v.Port), v.State, v.Certificate, strings.Join(v.Names, ", "), v.Backend, fmt.Sprint(v.Sessions))
				}
			}
			if err := t.end(); err != nil {
				return err
			}
			a.printObjections(all)
			return nil
		},
	}
	return noun("service", "Services: groups of listeners", list)
}
