package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// completionCommand stands in for cobra's own, which takes a wrong word for a question.
func (a *app) completionCommand() *cobra.Command {
	shell := func(name, load string, write func(*cobra.Command) error) *cobra.Command {
		return &cobra.Command{
			Use: name, Short: "Print the completion script of " + name, Args: noArgs, Example: load,
			RunE: func(cmd *cobra.Command, _ []string) error {
				if err := write(cmd.Root()); err != nil {
					return fmt.Errorf("printing the completion script: %w", err)
				}
				return nil
			},
		}
	}
	return noun("completion", "Completion of commands and flags in a shell",
		shell("bash", "  source <(postseal completion bash)", func(root *cobra.Command) error { return root.GenBashCompletionV2(a.out, true) }),
		shell("zsh", "  postseal completion zsh > ~/.zfunc/_postseal", func(root *cobra.Command) error { return root.GenZshCompletion(a.out) }),
		shell("fish", "  postseal completion fish > ~/.config/fish/completions/postseal.fish", func(root *cobra.Command) error { return root.GenFishCompletion(a.out, true) }))
}
