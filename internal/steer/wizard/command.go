package wizard

import "fmt"

// Command returns the words of the plain command line that does the same.
func (r *Result) Command() []string {
	var words []string
	give := func(flag string, values ...string) {
		for _, v := range values {
			if v != "" {
				words = append(words, "--"+flag, v)
			}
		}
	}
	is := func(flag string, on bool) {
		if on {
			words = append(words, "--"+flag)
		}
	}
	if n := r.New; n != nil {
		words = []string{"postseal", "cert", "new"}
		give("name", n.Name)
		give("domain", n.Domains...)
		give("subject", n.Subject)
		give("key", n.Kinds...)
		if n.Days > 0 {
			give("days", fmt.Sprint(n.Days))
		}
		is("exportable", n.Exportable)
		give("services", n.Services)
		give("lineage", n.Lineage)
		return words
	}
	if i := r.Issue; i != nil {
		words = []string{"postseal", "ca", "issue"}
		give("domain", i.Domains...)
		give("key", i.Kind)
		give("enable", i.Enable)
		give("lineage", i.Lineage)
		return words
	}
	words = []string{"postseal", "cert", "request"}
	give("name", r.Ask.Name)
	give("domain", r.Ask.Domains...)
	give("subject", r.Ask.Subject)
	is("no-common-name", r.Ask.NoCommonName)
	give("key", r.Ask.Kinds...)
	is("exportable", r.Ask.Exportable)
	give("lineage", r.Ask.Lineage)
	return words
}
