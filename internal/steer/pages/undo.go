package pages

import (
	"errors"
	"slices"
	"strings"

	"postseal/internal/steer/desk"
)

// errNoUndo: a command that no button stands for.
var errNoUndo = errors.New("the command has no act that undoes by a button")

// undoSteps makes steps of the command that undoes a change, as package desk writes it: commands joined with &&. The
// command is shown beside the button, so the two cannot say different things.
func undoSteps(command string) ([]step, error) {
	if command == "" {
		return nil, errNoUndo
	}
	var steps []step
	for one := range strings.SplitSeq(command, " && ") {
		words, err := fields(one)
		if err != nil {
			return nil, err
		}
		s, err := undoStep(words)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// undoStep makes one step of one command.
func undoStep(words []string) (step, error) {
	if len(words) < 4 || words[0] != "postseal" {
		return step{}, errNoUndo
	}
	object, flags, err := parseFlags(words[4:])
	if err != nil || len(object) != 0 {
		return step{}, errNoUndo
	}
	id := words[3]
	switch act := words[1] + "/" + words[2]; act {
	case "cert/enable":
		return newStep(act, "act.enable", id, desk.EnableRequest{ID: id, Services: first(flags["--services"]), Listeners: flags["--listener"], ByName: flags["--sni-only"] != nil})
	case "cert/disable":
		return newStep(act, "act.disable", id, desk.DisableRequest{ID: id, Listener: first(flags["--listener"])})
	case "cert/set-internal":
		return newStep(act, "act.internal", id, desk.InternalRequest{ID: id})
	case "cert/activate":
		return newStep(act, "act.activate", id, desk.ActivateRequest{ID: id})
	case "cert/rollback":
		return newStep(act, "act.rollback", id, desk.RollbackRequest{Lineage: id})
	case "cert/remove":
		return newStep(act, "act.remove", id, desk.RemoveRequest{ID: id})
	case "lineage/set":
		return newStep(act, "act.lineage", id, desk.LineageRequest{Lineage: id, Activation: first(flags["--activation"]), KeyAtRenewal: first(flags["--key-at-renewal"])})
	case "listener/enable", "listener/disable":
		return newStep("listener/set", "act."+words[1]+"-"+words[2], id, desk.ListenerRequest{Listener: id, Enabled: words[2] == "enable"})
	case "trust/remove":
		return newStep(act, "act.untrust", id, desk.ForgetRequest{ID: id})
	}
	return step{}, errNoUndo
}

// parseFlags sorts flags and their values; --sni-only has none.
func parseFlags(words []string) (rest []string, flags map[string][]string, err error) {
	flags = make(map[string][]string)
	for i := 0; i < len(words); i++ {
		switch name := words[i]; {
		case name == "--sni-only":
			flags[name] = []string{}
		case !slices.Contains([]string{"--services", "--listener", "--activation", "--key-at-renewal"}, name):
			rest = append(rest, name)
		case i+1 == len(words):
			return nil, nil, errNoUndo
		default:
			i++
			flags[name] = append(flags[name], words[i])
		}
	}
	return rest, flags, nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// fields splits a command as a shell would: at spaces, but not between single quotes.
func fields(command string) ([]string, error) {
	var all []string
	var word strings.Builder
	quoted, begun := false, false
	for i := 0; i < len(command); i++ {
		switch c := command[i]; {
		case c == '\'':
			quoted, begun = !quoted, true
		case c == '\\' && !quoted && i+1 < len(command):
			i++
			word.WriteByte(command[i])
			begun = true
		case c == ' ' && !quoted:
			if begun {
				all = append(all, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if quoted {
		return nil, errNoUndo
	}
	if begun {
		all = append(all, word.String())
	}
	return all, nil
}
