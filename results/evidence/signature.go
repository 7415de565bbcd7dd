package evidence

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"

	"github.com/hiddeco/sshsig"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"golang.org/x/crypto/ssh"
)

// The files of a signature: the envelope, which counts, and the same for ssh-keygen -Y verify, which reads no envelope: the bytes that
// were signed, and the signature in armor.
const (
	EnvelopeName  = "statement.dsse.json"
	SignedName    = "statement.pae"
	SignatureName = SignedName + ".sig"
)

// sign puts a statement into its files.
func sign(ctx context.Context, s Statement, by *Signer) ([]File, error) {
	text, err := s.encode()
	if err != nil {
		return nil, err
	}
	signer, err := dsse.NewEnvelopeSigner(dsseSigner{by})
	if err != nil {
		return nil, err
	}
	envelope, err := signer.SignPayload(ctx, payloadType, text)
	if err != nil {
		return nil, err
	}
	return signatureFiles(envelope)
}

// signatureFiles are the files that an envelope has in an archive, to the byte.
func signatureFiles(e *dsse.Envelope) ([]File, error) {
	payload, err := e.DecodeB64Payload()
	if err != nil {
		return nil, err
	}
	sig, err := signatureOf(e)
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		return nil, err
	}
	return []File{{Name: EnvelopeName, Data: append(text, '\n')}, {Name: SignedName, Data: dsse.PAE(e.PayloadType, payload)},
		{Name: SignatureName, Data: sshsig.Armor(sig)}}, nil
}

// signatureOf is the only signature of an envelope.
func signatureOf(e *dsse.Envelope) (*sshsig.Signature, error) {
	if len(e.Signatures) != 1 {
		return nil, errors.New("not one signature")
	}
	raw, err := (&dsse.Envelope{Payload: e.Signatures[0].Sig}).DecodeB64Payload()
	if err != nil {
		return nil, err
	}
	return sshsig.ParseSignature(raw)
}

// verified is what holds of an archive with a signature: its statement, and the key that signed it.
func verified(files map[string][]byte) (s Statement, key ssh.PublicKey, err error) {
	var e dsse.Envelope
	if json.Unmarshal(files[EnvelopeName], &e) != nil || e.PayloadType != payloadType {
		return s, nil, wrong("has an envelope of its signature that cannot be read")
	}
	sig, err := signatureOf(&e)
	if err != nil {
		return s, nil, wrong("has a signature that cannot be read")
	}
	if err := checkKey(sig.PublicKey); err != nil {
		return s, nil, wrong("has a signature by no key that counts: %s", err)
	}
	if sig.Namespace != Namespace {
		return s, nil, wrong("is signed for %q, and not for %s", shown(sig.Namespace), Namespace)
	}
	if is, says := ssh.FingerprintSHA256(sig.PublicKey), e.Signatures[0].KeyID; is != says {
		return s, nil, wrong("is signed by the key %s, and its envelope names %s", is, shown(says))
	}
	same, err := signatureFiles(&e)
	for _, f := range same {
		if !bytes.Equal(files[f.Name], f.Data) {
			return s, nil, wrong("holds %q, which is not of the signature in its envelope", f.Name)
		}
	}
	if err != nil {
		return s, nil, wrong("has a signature that cannot be read")
	}
	payload, err := verify(&e, sig)
	if err != nil || json.Unmarshal(payload, &s) != nil {
		return s, nil, wrong("was changed since it was signed by %s: the signature is not of these bytes", ssh.FingerprintSHA256(sig.PublicKey))
	}
	return s, sig.PublicKey, nil
}

func verify(e *dsse.Envelope, sig *sshsig.Signature) ([]byte, error) {
	v, err := dsse.NewEnvelopeVerifier(sshVerifier{sig.PublicKey})
	if err != nil {
		return nil, err
	}
	_, payload, err := v.VerifyAndDecode(context.Background(), e)
	return payload, err
}

// sshVerifier verifies what dsseSigner signed.
type sshVerifier struct{ key ssh.PublicKey }

// Verify holds a signature against the bytes that stand for an envelope.
func (v sshVerifier) Verify(_ context.Context, pae, raw []byte) error {
	sig, err := sshsig.ParseSignature(raw)
	if err != nil {
		return err
	}
	return sshsig.Verify(bytes.NewReader(pae), sig, v.key, sig.HashAlgorithm, Namespace)
}

// KeyID is the key's fingerprint.
func (v sshVerifier) KeyID() (string, error) { return ssh.FingerprintSHA256(v.key), nil }

// Public is asked for where there is no fingerprint.
func (v sshVerifier) Public() crypto.PublicKey { return v.key }
