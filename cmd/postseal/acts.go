package main

// actsOf names the acts of the API that each command asks for. A test holds it to the commands, to the API, and to
// the source: everything that commands do is in the API.
func actsOf() map[string][]string {
	return map[string][]string{
		"status":             {"status/show"},
		"cert list":          {"cert/list", "cert/page"},
		"cert show":          {"cert/show"},
		"cert new":           {"cert/new"},
		"cert request":       {"cert/request"},
		"cert import":        {"cert/import"},
		"cert export":        {"cert/export"},
		"cert enable":        {"cert/enable"},
		"cert disable":       {"cert/disable"},
		"cert set-internal":  {"cert/set-internal"},
		"cert renew":         {"cert/renew", "cert/renew-request"},
		"cert activate":      {"cert/activate"},
		"cert rollback":      {"cert/rollback"},
		"cert remove":        {"cert/remove"},
		"cert explain":       {"cert/explain"},
		"cert wizard":        {"cert/opening", "cert/new", "cert/request"},
		"lineage list":       {"lineage/list"},
		"lineage show":       {"lineage/show"},
		"lineage set":        {"lineage/set"},
		"listener list":      {"listener/list"},
		"listener enable":    {"listener/set"},
		"listener disable":   {"listener/set"},
		"service list":       {"service/list"},
		"trust list":         {"trust/list"},
		"trust add":          {"trust/add"},
		"trust remove":       {"trust/remove"},
		"trust distrust":     {"trust/distrust"},
		"trust export":       {"trust/export"},
		"trust verify":       {"trust/beliefs"},
		"ca init":            {"ca/init"},
		"ca show":            {"ca/show"},
		"ca issue":           {"ca/issue", "ca/certify", "ca/person"},
		"ca list":            {"ca/list"},
		"ca counts":          {"ca/counts"},
		"ca keep":            {"ca/keep"},
		"ca health":          {"ca/health"},
		"ca publish":         {"ca/people"},
		"ca revoke":          {"ca/revoke"},
		"ca extend":          {"ca/extend"},
		"ca rollover":        {"ca/rollover"},
		"ca profile list":    {"ca/profile-list"},
		"ca profile show":    {"ca/profile-show"},
		"ca profile set":     {"ca/profile-set"},
		"ca profile remove":  {"ca/profile-remove"},
		"ca pending":         {"ca/pending"},
		"ca approve":         {"ca/approve"},
		"ca reject":          {"ca/reject"},
		"ca certificate":     {"ca/certificate"},
		"ca bulk":            {"ca/show", "ca/certify", "ca/list", "ca/certificate"},
		"ca crl":             {"ca/crl"},
		"check":              {"check/own", "check/believed"},
		"plan":               {"plan/show"},
		"plan apply":         {"plan/apply"},
		"plan calendar":      {"plan/calendar"},
		"plan authorities":   {"plan/authorities"},
		"audit list":         {"audit/list"},
		"audit verify":       {"audit/verify"},
		"audit accept":       {"audit/accept"},
		"admin link":         {"listener/list", "admin/link"},
		"admin token new":    {"admin/token-new"},
		"admin fingerprint":  {"admin/fingerprint"},
		"admin token list":   {"admin/token-list"},
		"backup create":      {"recovery/show", "backup/create", "backup/kept"},
		"recovery init":      {"recovery/init", "recovery/show"},
		"recovery show":      {"recovery/show"},
		"recovery test":      {"recovery/secrets", "recovery/show", "recovery/tested"},
		"admin token revoke": {"admin/token-revoke"},
		"notice list":        {"notice/list"},
		"notice test":        {"notice/test"},
		"report show":        {"report/show"},
	}
}

// apart are the commands that talk to no server, with the reason; they refuse --remote.
func apart() map[string]string {
	return map[string]string{
		"serve":                 "it is the server",
		"setup":                 "it makes the organisation that a server needs",
		"backup verify":         "it looks at a file",
		"backup restore":        "it fills an empty data directory of this machine",
		"recovery use":          "it makes a sealing key file, which must not travel",
		"recovery abandon-keys": "it works on the state of a server that cannot start",
		"version":               "it tells of this program",
		"completion":            "it writes for the shell of this machine",
	}
}

// uncalled are the acts that no command asks for, with the reason.
func uncalled() map[string]string {
	return map[string]string{
		"ca/line":    "what ca list and ca certificate show, together, for the pages",
		"check/run":  "the command looks from where it stands; this one looks from the server, for the pages and for other programs",
		"check/seen": "what the server saw of its own listeners is in status; this one has all of it",
	}
}
