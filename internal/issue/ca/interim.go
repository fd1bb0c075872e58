package ca

import "crypto"

func judgePublic(crypto.PublicKey) error { return nil }
