package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) caHealthCommand() *cobra.Command {
	return &cobra.Command{
		Use: "health", Short: "Show how the authority stands: hierarchy, revocation lists, OCSP, zlint", Args: noArgs,
		Long:    "Show who is below whom, and what is published: each revocation list with its number, when it was signed and until when it counts, and the signers of OCSP answers.\nA list is signed when somebody asks for it: anew after each revocation, and when half of its time is over.\nWhat zlint has read of it is said last, see: postseal ca zlint list",
		Example: "  postseal ca health",
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := call[desk.PKIHealth](cmd.Context(), a, "ca/health", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(h)
			}
			t := a.table("AUTHORITY", "STATE", "ENDS", "KEY", "SUBJECT")
			for _, n := range h.Tree {
				key, ends := "here", "-"
				switch {
				case n.InModule:
					key = "module"
				case !n.KeyHere:
					key = "elsewhere"
				}
				if !n.NotAfter.IsZero() {
					ends = localDate(n.NotAfter)
				}
				t.row(strings.Repeat("  ", n.Depth)+n.Name, n.State, ends, key, visible(n.Subject))
			}
			if err := t.end(); err != nil {
				return err
			}
			fmt.Fprintln(a.out)
			t = a.table("LIST", "NUMBER", "FROM", "UNTIL", "FETCHED", "BYTES", "CERTIFICATES", "REVOKED", "STATE")
			for _, l := range h.Lists {
				state := ""
				switch {
				case l.Waiting:
					state = "a revocation waits"
				case l.Closed:
					state = "closed"
				}
				bytes := ""
				if l.Bytes > 0 {
					bytes = fmt.Sprint(l.Bytes)
				}
				t.row(l.Address, l.Number, shownTime(l.ThisUpdate), shownTime(l.NextUpdate), shownTime(l.Fetched), bytes, fmt.Sprint(l.Issued), fmt.Sprint(l.Revoked), state)
			}
			if err := t.end(); err != nil {
				return err
			}
			fmt.Fprintln(a.out)
			t = a.table("OCSP", "SIGNER SINCE", "NEXT SIGNER", "ASKED")
			for _, r := range h.Responders {
				t.row(r.Address, shownTime(r.Since), shownTime(r.Until), shownTime(r.Asked))
			}
			if err := t.end(); err != nil {
				return err
			}
			fmt.Fprintln(a.out)
			return a.printZLint(h.ZLint)
		},
	}
}

// shownTime is a time for people, or nothing for one that is not there.
func shownTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return localTime(t)
}
