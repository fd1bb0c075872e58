package admin

import (
	"log/slog"
	"net/http"

	"postseal/internal/steer/desk"
)

// Pages returns the management pages.
func Pages(d *desk.Desk, log *slog.Logger) http.Handler { return http.NotFoundHandler() }

// Site returns what https answers.
func Site(host string) http.Handler { return http.NotFoundHandler() }
