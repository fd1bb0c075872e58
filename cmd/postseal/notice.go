package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"postseal/internal/ground/config"
	"postseal/internal/ground/fetch"
	"postseal/internal/keep/courier"
	"postseal/internal/keep/notice"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/letter"
)

func (a *app) noticeCommand() *cobra.Command {
	return noun("notice", "What people are told, and whether it arrives", a.noticeListCommand(), a.noticeTestCommand())
}

func (a *app) noticeListCommand() *cobra.Command {
	var r desk.NoticesRequest
	c := &cobra.Command{
		Use: "list", Short: "List the notices", Args: noArgs,
		Long: "List what is told: what ends (at 60, 30, 14, 7 days and one day; what renews by itself only when it is overdue) and everything else that needs a person.\n" +
			"The running server looks once a minute. A notice closes by itself when its cause is gone.",
		Example: "  postseal notice list --all",
	}
	c.Flags().BoolVar(&r.All, "all", false, "also those whose cause is gone")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := call[desk.NoticeList](cmd.Context(), a, "notice/list", r)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(list)
		}
		return a.printNotices(&list)
	}
	return c
}

func (a *app) printNotices(list *desk.NoticeList) error {
	t := a.table("SINCE", "OVER", "STAGE", "TOLD", "WHAT")
	for _, n := range list.Notices {
		over := "-"
		if !n.ClosedAt.IsZero() {
			over = localTime(n.ClosedAt)
		}
		var told []string
		for _, s := range n.Told {
			text := s.Channel + " " + s.Outcome
			if s.Closing {
				text += ", over"
			}
			told = append(told, text)
		}
		if told == nil {
			told = []string{"no"}
		}
		t.row(localTime(n.OpenedAt), over, stageText(n.Stage), strings.Join(told, "; "), n.Text)
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, c := range list.Channels {
		switch {
		case c.Tries > 0:
			fmt.Fprintf(a.out, "%s to %s: %d waiting, %d tries failed since %s, next at %s: %s\n", c.Channel, c.To, c.Waiting, c.Tries, localTime(c.WaitingSince), localTime(c.NextAt), c.LastError)
		case c.LastTold.IsZero():
			fmt.Fprintf(a.out, "%s to %s: %d waiting, nothing sent yet\n", c.Channel, c.To, c.Waiting)
		default:
			fmt.Fprintf(a.out, "%s to %s: %d waiting, last taken at %s\n", c.Channel, c.To, c.Waiting, localTime(c.LastTold))
		}
	}
	return nil
}

func stageText(stage int) string {
	switch stage {
	case notice.Now:
		return "now"
	case notice.Overdue:
		return "overdue"
	case 1:
		return "1 day"
	}
	return fmt.Sprintf("%d days", stage)
}

// errNotTaken: a test message did not arrive; what happened is printed.
var errNotTaken = errors.New("not every test message was taken")

func (a *app) noticeTestCommand() *cobra.Command {
	return &cobra.Command{
		Use: "test", Short: "Send a test message over each channel", Args: noArgs, Example: "  postseal notice test",
		Long: "Send a test mail and a test message to the web hook, as configured under notices in postseal.toml, and say what happened.\nA channel that takes it is no longer waited for: what waits goes out within a minute.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.dryRun {
				return &usageError{errors.New("notice test has no --dry-run: it sends, and changes nothing else")}
			}
			all, err := call[[]desk.NoticeTest](cmd.Context(), a, "notice/test", admin.Nothing{})
			if err != nil {
				return err
			}
			taken := true
			for _, t := range all {
				taken = taken && t.Taken
			}
			if a.json {
				err = a.printJSON(all)
			} else {
				for _, t := range all {
					fmt.Fprintf(a.out, "%s to %s: %s\n", t.Channel, t.To, t.Text)
				}
			}
			if err == nil && !taken {
				return errNotTaken
			}
			return err
		},
	}
}

// noticing makes the channels of a configuration. Relative paths are relative to its file.
func (a *app) noticing(n config.Notices, host string) (desk.Noticing, error) {
	beside := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(filepath.Dir(a.config), path)
	}
	out := desk.Noticing{Word: letter.Word(n.Language)}
	if n.SMTP != "" {
		mail, err := courier.NewMail(courier.MailOptions{Server: n.SMTP, TLS: n.TLS, From: n.From, To: n.To, Username: n.Username, PasswordFile: beside(n.PasswordFile), Host: host})
		if err != nil {
			return out, &config.FileError{Path: a.config, Err: err}
		}
		out.Channels = append(out.Channels, mail)
	}
	if n.Webhook != "" {
		hook, err := courier.NewHook(courier.HookOptions{URL: n.Webhook, KeyFile: beside(n.WebhookKey), Fetch: fetch.Options{Allow: n.WebhookAllow}})
		if err != nil {
			return out, &config.FileError{Path: a.config, Err: err}
		}
		out.Channels = append(out.Channels, hook)
	}
	return out, nil
}

// hostName is who we are to a mail server.
func hostName() string {
	host, err := os.Hostname()
	if err != nil || strings.ContainsAny(host, " \r\n") {
		return "localhost"
	}
	return host
}
