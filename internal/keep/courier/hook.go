package courier

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"postseal/internal/ground/fetch"
	"postseal/internal/ground/keys"
)

// HookError reports an option of a web hook that cannot be used.
type HookError struct{ Key, Reason string }

func (e *HookError) Error() string { return "notices." + e.Key + ": " + e.Reason }

// HookOptions say where a web hook is; [NewHook] checks them.
type HookOptions struct {
	URL     string
	KeyFile string // of mode 0600, with the key of the signature; empty: no signature
	Fetch   fetch.Options
}

// Hook posts JSON to a web server.
type Hook struct {
	o      HookOptions
	shown  string
	client *fetch.Client
}

// maxHookKey bounds the file with the key of the signature.
const maxHookKey = 4 << 10

// NewHook checks o. Nothing is asked before the first message.
func NewHook(o HookOptions) (*Hook, error) {
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil {
		return nil, &HookError{"webhook", "want an https or http address without a password in it"}
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if u.Port() != "" {
		if err != nil || port == 0 {
			return nil, &HookError{"webhook", "its port is none"}
		}
		o.Fetch.Ports = append(o.Fetch.Ports, uint16(port)) // an administrator wrote it
	}
	client, err := fetch.New(o.Fetch)
	if err != nil {
		return nil, &HookError{"webhook-allow", err.Error()}
	}
	return &Hook{o: o, shown: u.Scheme + "://" + u.Host + "/…", client: client}, nil
}

// Name is "webhook".
func (h *Hook) Name() string { return "webhook" }

// To names the server; the path of a web hook is often its password.
func (h *Hook) To() string { return h.shown }

// Reports is false: a report is for people.
func (h *Hook) Reports() bool { return false }

// Deliver posts a message. Any status of 2xx is done, everything else is not: a server that took it and hung up gets it
// again, and knows it by its id.
//
// The signature is HMAC-SHA256 over the time, a dot and the body, in the header Postseal-Signature: "t=1700000000,
// v1=HEX". Whoever checks it also refuses an old time, and an id in Postseal-Delivery that he has seen.
func (h *Hook) Deliver(ctx context.Context, m Message) error {
	r := fetch.Request{URL: h.o.URL, Body: m.JSON, ContentType: "application/json", AnySuccess: true, Header: map[string]string{"Postseal-Delivery": m.ID}}
	if h.o.KeyFile != "" {
		key, err := keys.ReadSecretFile(h.o.KeyFile, maxHookKey)
		if err != nil {
			return fmt.Errorf("telling %s: %w", h.shown, err)
		}
		defer key.Wipe()
		r.Header["Postseal-Signature"] = signature(key, time.Now(), m.JSON)
	}
	_, err := h.client.Do(ctx, r)
	if _, long := errors.AsType[*fetch.TooLargeError](err); err == nil || long { // it said yes, at length
		return nil
	}
	// Its text may name the whole address, and with it a secret.
	said := err
	if e, ok := errors.AsType[*fetch.StatusError](err); ok {
		said = e
	} else if e, ok := errors.AsType[*fetch.RefusedAddressError](err); ok {
		said = e
	} else if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		said = op
	} else if errors.Is(err, context.DeadlineExceeded) {
		said = context.DeadlineExceeded
	} else {
		said = errors.New("the connection broke, or its TLS failed")
	}
	return fmt.Errorf("telling %s: %w", h.shown, said)
}

// signature signs a body at a time. Line ends behind the key in its file are not part of it.
func signature(key keys.Secret, at time.Time, body []byte) string {
	secret := key.Bytes()
	for len(secret) > 0 && (secret[len(secret)-1] == '\n' || secret[len(secret)-1] == '\r') {
		secret = secret[:len(secret)-1]
	}
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
