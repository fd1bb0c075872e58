package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"postseal/internal/ground/state"
)

// tokenActor begins the names of those who ask with a token of the API.
const tokenActor = "token "

// secondPerson fails with [ErrSamePerson] unless whoever agrees is another than whoever asked. A token that a token has
// made is the same person: otherwise whoever asked makes himself the second. So two tokens that go back to one are one, and
// so is, to be sure, a token of which nobody knows any more who made it. What an administrator makes on the server himself
// he may have made for another.
func (d *Desk) secondPerson(ctx context.Context, requester, agrees string) error {
	if requester == agrees {
		return ErrSamePerson
	}
	if !strings.HasPrefix(requester, tokenActor) || !strings.HasPrefix(agrees, tokenActor) {
		return nil
	}
	var all []state.Token
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		all, err = tx.Tokens()
		return err
	})
	if err != nil {
		return err
	}
	asked, whole := madeBy(all, requester)
	if !whole {
		return fmt.Errorf("who made %s is not known any more: %w", requester, ErrSamePerson)
	}
	agreed, whole := madeBy(all, agrees)
	if !whole {
		return fmt.Errorf("who made %s is not known any more: %w", agrees, ErrSamePerson)
	}
	if first := agreed[len(agreed)-1]; slices.Contains(asked, first) {
		return fmt.Errorf("%s and %s go back to %s: %w", requester, agrees, first, ErrSamePerson)
	}
	return nil
}

// madeBy is a token, the one that it was made with, and so on to the one that no token made. Whole is false if one of them
// was revoked since, or if they end nowhere because its name was given to another.
func madeBy(all []state.Token, who string) (line []string, whole bool) {
	for {
		name, token := strings.CutPrefix(who, tokenActor)
		if !token {
			return line, true
		}
		i := slices.IndexFunc(all, func(t state.Token) bool { return t.Name == name })
		if i < 0 || slices.Contains(line, who) {
			return line, false
		}
		line = append(line, who)
		who = all[i].MadeBy
	}
}

// approving are the requests that are being issued for just now. The zero value is ready.
type approving struct {
	// mu guards ids. It is not held while anything is issued.
	mu  sync.Mutex
	ids map[string]bool
}

// begin reports whether nobody else is at it; then end must be called.
func (a *approving) begin(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ids[id] {
		return false
	}
	if a.ids == nil {
		a.ids = make(map[string]bool)
	}
	a.ids[id] = true
	return true
}

func (a *approving) end(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.ids, id)
}
