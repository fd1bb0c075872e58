package pages

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/probe"
)

const (
	// maxThorough is how many hosts are looked at in full while the reader waits; more get one handshake each.
	maxThorough = 3
	// maxLooked is how many lines the page takes; for more there is the command line.
	maxLooked = 500
	// lookers is how many hosts the page has looked at at the same time.
	lookers = 8
)

// lookAtHosts looks at what was asked for, and shows each host as it is seen.
func (p *center) lookAtHosts(w http.ResponseWriter, r *http.Request, v visitor) {
	given, ok := p.read(w, r)
	if !ok {
		return
	}
	page := checkPage{Hosts: given.Get("hosts"), Own: given.on("own"), way: given.Get("starttls")}
	jobs, err := lookJobs(given)
	if err != nil {
		problem, ok := v.words.objection(err)
		if !ok {
			p.broken(w, r, "reading what to look at", err)
			return
		}
		page.Problem = &problem
		p.showCheck(w, r, v, page)
		return
	}
	s := checkSheet(v, page)
	s.status = http.StatusOK
	a := p.arriveAt(w, r, s)
	if err := p.arrive(r, v, a, page, jobs); err != nil && r.Context().Err() == nil {
		p.log.ErrorContext(r.Context(), "printing a page", "page", s.template, "err", err)
	}
}

// lookJobs makes requests of what was filled in, one for each host, so that the answers come one by one. Lines of one name
// belong together: their certificates are compared.
func lookJobs(given values) ([]desk.CheckRequest, error) {
	lines := given.lines("hosts")
	if len(lines) > maxLooked {
		return nil, errEntry("check.many")
	}
	all := desk.CheckRequest{Hosts: lines, StartTLS: given.Get("starttls"), All: given.on("own")}
	if len(lines) == 0 {
		return []desk.CheckRequest{all}, all.Check()
	}
	var jobs []desk.CheckRequest
	if all.All {
		jobs = append(jobs, desk.CheckRequest{All: true})
	}
	at := make(map[string]int) // the job of a name
	for _, line := range lines {
		h, err := probe.ParseHost(line, all.StartTLS)
		if err != nil {
			return nil, err
		}
		i, known := at[h.Name]
		if !known || len(jobs[i].Hosts) == desk.MaxCheckHosts {
			i = len(jobs)
			at[h.Name] = i
			jobs = append(jobs, desk.CheckRequest{StartTLS: all.StartTLS})
		}
		jobs[i].Hosts = append(jobs[i].Hosts, line)
	}
	for i := range jobs {
		jobs[i].Quick = len(at) > maxThorough
	}
	return jobs, nil
}

// objection words what the reader can act on; ok is false for what is our fault.
func (w *words) objection(err error) (n notice, ok bool) {
	if entry, mine := errors.AsType[errEntry](err); mine {
		return notice{Text: w.say(string(entry))}, true
	}
	if problem, refused := errors.AsType[*admin.Problem](problemOf(err)); refused {
		return w.problem(problem), true
	}
	return notice{}, false
}

// countView says how far a look is.
type countView struct {
	Done, All int
	Text      string
}

// looked is what one request brought.
type looked struct {
	answer desk.CheckAnswer
	err    error
}

// arrive looks, and sends what it sees.
func (p *center) arrive(r *http.Request, v visitor, a *arriving, page checkPage, jobs []desk.CheckRequest) error {
	if err := a.add("check-begins", page); err != nil {
		return err
	}
	count := func(n int) countView {
		return countView{n, len(jobs), v.words.say("check.count", plainNumber(n), plainNumber(len(jobs)))}
	}
	if err := a.add("check-count", count(0)); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(r.Context())
	answers := p.lookAll(ctx, v, jobs)
	defer func() { // whoever was sent to look has come back before the request ends
		stop()
		for range answers {
		}
	}()
	sum := make(map[string]int)
	n := 0
	for got := range answers {
		if ctx.Err() != nil {
			return nil // the reader is gone
		}
		if got.err != nil {
			why, ok := v.words.objection(got.err)
			if !ok {
				p.log.ErrorContext(ctx, "management page failed", "doing", "looking at hosts", "err", got.err)
				why = notice{Text: v.words.say("check.ended")}
			}
			if err := a.add("check-refused", why); err != nil {
				return err
			}
			if !ok {
				break
			}
		}
		n++
		for _, one := range got.answer.Hosts {
			view := v.words.report(one)
			sum[view.Level]++
			if err := a.add("check-report", view); err != nil {
				return err
			}
		}
		if n < len(jobs) {
			if err := a.add("check-count", count(n)); err != nil {
				return err
			}
		}
	}
	end := count(n)
	end.Text += " – " + v.words.say("check.sum", plainNumber(sum[levelBad]), plainNumber(sum[levelWarn]), plainNumber(sum[levelGood]))
	if err := a.add("check-sum", end); err != nil {
		return err
	}
	if err := p.seen(r, v, &page); err != nil {
		return err
	}
	return a.add("check-ends", page)
}

// lookAll has every job done, several at the same time, and closes its channel when all are, or ctx has ended.
func (p *center) lookAll(ctx context.Context, v visitor, jobs []desk.CheckRequest) <-chan looked {
	answers, next := make(chan looked), make(chan desk.CheckRequest)
	go func() {
		defer close(answers)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer close(next)
		for range min(lookers, len(jobs)) {
			wg.Go(func() {
				for job := range next {
					var got looked
					got.err = admin.Local(p.desk, v.actor).Call(ctx, "check/run", job, &got.answer)
					select {
					case answers <- got:
					case <-ctx.Done():
						return
					}
				}
			})
		}
		for _, job := range jobs {
			select {
			case next <- job:
			case <-ctx.Done():
				return
			}
		}
	}()
	return answers
}
