package wizard

import (
	"slices"

	"postseal/internal/ground/listener"
	"postseal/internal/keep/plan"
	"postseal/internal/steer/desk"
)

// SuggestServices returns the services that are on today. Management is left out: its key is one of its own.
func SuggestServices(o *desk.Opening) []listener.Service {
	var on []listener.Service
	for _, s := range listener.Services() {
		used := slices.ContainsFunc(o.Needs, func(n plan.Need) bool { return slices.Contains(n.Services, s) })
		if used && s != listener.ServiceManagement {
			on = append(on, s)
		}
	}
	if len(on) == 0 { // beside other servers nothing of ours listens
		return []listener.Service{listener.ServiceHTTP, listener.ServiceIMAP, listener.ServicePOP, listener.ServiceSMTP}
	}
	return on
}

// SuggestNames returns the names by which a service is reached today, or the name of the server.
func SuggestNames(o *desk.Opening, s listener.Service) []string {
	var names []string
	for _, n := range o.Needs {
		if slices.Contains(n.Services, s) && !slices.Contains(names, n.Name) {
			names = append(names, n.Name)
		}
	}
	if len(names) == 0 {
		return []string{o.Server}
	}
	return names
}
