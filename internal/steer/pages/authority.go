package pages

import (
	"errors"
	"net/http"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// authorityPage is our own authority: its hierarchy, what it has issued, and what it publishes.
type authorityPage struct {
	None     bool // there is none yet
	Tree     *tree
	Nodes    []nodeRow
	Numbers  []numberTile
	Months   monthsView
	Profiles []profileRow
	Keep     string
	Health   []healthCard
	ZLint    lintCard
	Host     string
}

// nodeRow is an authority in words, beside the picture.
type nodeRow struct {
	Name, Subject, Purpose, State, Level string
	Domains                              []string
	Until                                *stamp
	Key                                  string
}

type numberTile struct{ Label, Count, Href string }

type profileRow struct {
	Name, All, Current, Href string
	Share                    int // of 100
}

// tree is the hierarchy as a picture: boxes below each other, each joined to the one above it.
type tree struct {
	Height int
	Boxes  []treeBox
	Joints []string // paths
}

type treeBox struct {
	X, Y, Width        int
	TextX, NameY, SubY int
	Name, Sub, Level   string
	Faded              bool // its key is elsewhere
}

// Measures of the picture, in its own units; on a telephone one of them is about one pixel.
const (
	treeWidth  = 400
	treeBoxH   = 48
	treeGap    = 12
	treeIndent = 26
	treeMost   = 40 // boxes that are drawn; the table has all
)

// authority shows our own authority.
func (p *center) authority(w http.ResponseWriter, r *http.Request, v visitor) {
	api := admin.Local(p.desk, v.actor)
	s := sheet{template: "authority", title: "authority.title", path: "/authority", here: "authority"}
	var health desk.PKIHealth
	err := api.Call(r.Context(), "ca/health", admin.Nothing{}, &health)
	if problem, ok := errors.AsType[*admin.Problem](err); ok && problem.Name == "desk.ErrNoAuthority" {
		s.body = authorityPage{None: true}
		p.show(w, r, v, s)
		return
	}
	if err != nil {
		p.refuse(w, r, v, "/", err)
		return
	}
	var numbers desk.BookNumbers
	if err := api.Call(r.Context(), "ca/counts", admin.Nothing{}, &numbers); err != nil {
		p.refuse(w, r, v, "/", err)
		return
	}
	s.body = v.words.authority(&health, &numbers, time.Now())
	p.show(w, r, v, s)
}

func (w *words) authority(h *desk.PKIHealth, n *desk.BookNumbers, now time.Time) authorityPage {
	page := authorityPage{Host: h.Host, Tree: w.tree(h.Tree, now)}
	for _, one := range h.Tree {
		row := nodeRow{Name: one.Name, Subject: one.Subject, Purpose: w.say("purpose." + one.Purpose), State: w.say("authority.state." + one.State), Level: nodeLevel(one, now), Domains: one.Domains, Key: w.say("authority.key.here")}
		switch {
		case one.InModule:
			row.Key = w.say("authority.key.module")
		case !one.KeyHere:
			row.Key = w.say("authority.key.elsewhere")
		}
		if !one.NotAfter.IsZero() {
			end := day(one.NotAfter)
			row.Until = &end
		}
		page.Nodes = append(page.Nodes, row)
	}
	for _, s := range n.Statuses {
		page.Numbers = append(page.Numbers, numberTile{w.say("book.status." + s.Status), grouped(s.Count), address("/authority/book", "status", s.Status)})
	}
	page.Months = w.months(n.Months)
	largest := 1
	for _, one := range n.Profiles {
		largest = max(largest, one.All)
	}
	for _, one := range n.Profiles {
		page.Profiles = append(page.Profiles, profileRow{one.Profile, grouped(one.All), grouped(one.Current), address("/authority/book", "profile", one.Profile), one.All * 100 / largest})
	}
	page.Keep = w.say("authority.keep.forever")
	if n.KeepDays > 0 {
		page.Keep = w.say("authority.keep.days", grouped(n.KeepDays))
	}
	page.Health = w.health(h, now)
	page.ZLint = w.lints(h.ZLint)
	return page
}

// nodeLevel is how an authority stands: it must live longer than what it issues.
func nodeLevel(n desk.AuthorityNode, now time.Time) string {
	switch left := n.NotAfter.Sub(now); {
	case n.State != state.AuthorityActive:
		return "off"
	case left <= 0:
		return levelBad
	case left < n.NotAfter.Sub(n.NotBefore)/4:
		return levelWarn
	}
	return levelGood
}

// tree draws the hierarchy.
func (w *words) tree(nodes []desk.AuthorityNode, now time.Time) *tree {
	t := &tree{}
	type place struct{ x, y int }
	above := make(map[string]place)
	for i, n := range nodes[:min(len(nodes), treeMost)] {
		x, y := n.Depth*treeIndent, i*(treeBoxH+treeGap)
		end := w.say("authority.pending")
		if !n.NotAfter.IsZero() {
			end = w.say("authority.until", n.NotAfter.Local().Format(time.DateOnly))
		}
		if n.State == state.AuthorityRetired || n.State == state.AuthorityRevoked {
			end = w.say("authority.state."+n.State) + " · " + end // a colour alone says nothing
		}
		t.Boxes = append(t.Boxes, treeBox{X: x, Y: y, Width: treeWidth - x, TextX: x + 16, NameY: y + 20, SubY: y + 38, Name: n.Name, Sub: clipped(w.say("purpose."+n.Purpose)+" · "+end, 52-4*n.Depth), Level: nodeLevel(n, now), Faded: !n.KeyHere})
		if n.Parent != "" {
			from := above[n.Parent]
			t.Joints = append(t.Joints, joint(from.x+treeIndent/2, from.y+treeBoxH, x, y+treeBoxH/2))
		}
		above[n.Name] = place{x, y}
		t.Height = y + treeBoxH
	}
	return t
}

// joint is a path down from one box and across to another.
func joint(x, y, toX, toY int) string {
	return "M" + plainNumber(x) + " " + plainNumber(y) + "V" + plainNumber(toY) + "H" + plainNumber(toX)
}

// clipped is a text that fits into so many letters.
func clipped(text string, letters int) string {
	runes := []rune(text)
	if len(runes) <= letters {
		return text
	}
	return string(runes[:letters-1]) + "…"
}
