package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
)

// ErrBuiltInProfile: a profile is as it is built in, so there is nothing to remove.
var ErrBuiltInProfile = errors.New("it is built in and was not changed")

// ProfileFile is a profile as people write it: its options, and its life in words.
type ProfileFile struct {
	ca.ProfileOptions
	Life string `json:"life,omitempty"` // like 398d or 12h; empty means 47d
}

// ParseLife reads a life in days or hours.
func ParseLife(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if life, err := time.ParseDuration(text); err == nil {
		return life, nil
	}
	return 0, &ValueError{"life", text, "want days or hours, like 398d or 12h"}
}

// LifeText is what [ParseLife] reads.
func LifeText(life time.Duration) string {
	const day = 24 * time.Hour
	if life%day == 0 {
		return fmt.Sprintf("%dd", life/day)
	}
	return life.String()
}

// options are those of the file, with its life.
func (f ProfileFile) options() (ca.ProfileOptions, error) {
	o := f.ProfileOptions
	if f.Life != "" {
		var err error
		if o.Life, err = ParseLife(f.Life); err != nil {
			return o, err
		}
	}
	return o, nil
}

// ProfileView is a profile as people and scripts see it.
type ProfileView struct {
	Origin  string      `json:"origin"` // built in, changed or own
	Profile ProfileFile `json:"profile"`
}

// Where a profile comes from.
const (
	ProfileBuiltIn = "built in"
	ProfileChanged = "changed"
	ProfileOwn     = "own"
)

// CAProfiles lists what may be asked of our own authority, by name.
func (d *Desk) CAProfiles(ctx context.Context) ([]ProfileView, error) {
	all, err := d.profiles(ctx)
	if err != nil {
		return nil, err
	}
	var stored map[string]string
	err = d.db.View(ctx, func(tx *state.Tx) (err error) {
		stored, err = tx.Profiles()
		return err
	})
	out := []ProfileView{}
	for _, p := range all {
		v := ProfileView{Origin: ProfileBuiltIn, Profile: ProfileFile{ProfileOptions: p.Options(), Life: LifeText(p.Options().Life)}}
		if _, ok := stored[p.Name()]; ok {
			v.Origin = ProfileOwn
			if isBuiltIn(p.Name()) {
				v.Origin = ProfileChanged
			}
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b ProfileView) int { return strings.Compare(a.Profile.Name, b.Profile.Name) })
	return out, err
}

func isBuiltIn(name string) bool {
	return slices.ContainsFunc(ca.Builtin(nil), func(o ca.ProfileOptions) bool { return o.Name == name })
}

// CAProfile shows one, or fails with [UnknownProfileError].
func (d *Desk) CAProfile(ctx context.Context, name string) (*ProfileView, error) {
	if _, err := d.profile(ctx, name); err != nil {
		return nil, err
	}
	all, err := d.CAProfiles(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(v ProfileView) bool { return v.Profile.Name == name })
	return &all[i], nil // it was there a moment ago, and only an administrator takes it away
}

// ProfileRequest puts a profile in force.
type ProfileRequest struct {
	Doing
	Profile ProfileFile `json:"profile"`
}

// SetCAProfile stores a profile, new or in the place of one of that name. It is checked whole before, and what was issued
// stays as it is.
func (d *Desk) SetCAProfile(ctx context.Context, who state.Actor, r ProfileRequest) (*Change, error) {
	o, err := r.Profile.options()
	if err != nil {
		return nil, err
	}
	p, err := ca.NewProfile(o)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(o) // as it was given: what was left to the defaults stays so
	if err != nil {
		return nil, err
	}
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		if err := d.hasAuthority(ctx); err != nil {
			return nil, nil, err
		}
		before, err := d.profiles(ctx)
		if err != nil {
			return nil, nil, err
		}
		change := newChange(v)
		change.Undo = "postseal ca profile remove " + o.Name
		var was any
		if i := slices.IndexFunc(before, func(b *ca.Profile) bool { return b.Name() == o.Name }); i >= 0 {
			was = before[i].Options()
			change.Replaces = true
			change.Removed = append(change.Removed, "what the profile "+o.Name+" was: issued certificates stay, the next ones follow the new one")
			change.Undo = "" // to go back, the file of before is needed, or the built-in one
			if before[i].NeedsApproval() && !p.NeedsApproval() {
				change.Warnings = append(change.Warnings, "it needs no second person any more")
			}
		}
		all, _, err := d.authorities(ctx)
		if err != nil {
			return nil, nil, err
		}
		if beyond := beyondAuthority(all, p.Purpose(), p.Options().Domains); len(beyond) > 0 {
			change.Warnings = append(change.Warnings, "the authority for "+string(p.Purpose())+" may not certify names below "+strings.Join(beyond, ", ")+": postseal ca extend --domain DOMAIN")
		}
		return change, func(tx *state.Tx) error {
			if err := tx.SetProfile(o.Name, string(text)); err != nil {
				return err
			}
			return tx.Audit("ca profile set", o.Name, was, p.Options())
		}, nil
	})
}

// hasAuthority is [ErrNoAuthority] without one.
func (d *Desk) hasAuthority(ctx context.Context) error {
	all, _, err := d.authorities(ctx)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("looking at the authority: %w", ErrNoAuthority)
	}
	return err
}

// ProfileRemoval takes a profile away.
type ProfileRemoval struct {
	Doing
	Name string `json:"name"`
}

// RemoveCAProfile forgets a profile of an administrator; a built-in one of that name is in force again.
func (d *Desk) RemoveCAProfile(ctx context.Context, who state.Actor, r ProfileRemoval) (*Change, error) {
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		p, err := d.profile(ctx, r.Name)
		if err != nil {
			return nil, nil, err
		}
		var stored map[string]string
		var used []state.Issuance
		err = d.db.View(ctx, func(tx *state.Tx) (err error) {
			if stored, err = tx.Profiles(); err != nil {
				return err
			}
			used, err = tx.PickIssuances(state.Picked{Profile: r.Name}, 1)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		if _, ok := stored[r.Name]; !ok {
			return nil, nil, fmt.Errorf("removing profile %s: %w", r.Name, ErrBuiltInProfile)
		}
		change := newChange(v)
		change.Replaces = true
		change.Removed = append(change.Removed, "the profile "+r.Name)
		if isBuiltIn(r.Name) {
			change.Notes = append(change.Notes, "the built-in profile "+r.Name+" is in force again")
		} else if len(used) > 0 {
			change.Warnings = append(change.Warnings, "certificates of this profile do not renew any more; their last days are in: postseal ca list --profile "+r.Name)
		}
		return change, func(tx *state.Tx) error {
			if err := tx.RemoveProfile(r.Name); err != nil {
				return err
			}
			return tx.Audit("ca profile remove", r.Name, p.Options(), nil)
		}, nil
	})
}
