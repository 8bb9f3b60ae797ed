use std::sync::Mutex;

use http::header::{AUTHORIZATION, HeaderValue};
use image_sync_shared::panics::lock;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Value, json};
use time::macros::datetime;

use crate::proof::tests::block_on;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
const ISSUER: &str = "https://accounts.google.com";
const AUDIENCE: &str = "https://sync.example.com/v1/hooks/gcp";
const EMAIL: &str = "push@project.iam.gserviceaccount.com";

fn one() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(include_bytes!("tests/one.pk8")).unwrap()
}

fn other() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(include_bytes!("tests/other.pk8")).unwrap()
}

fn jwk(id: &str, key: &RsaKeyPair) -> Value {
    let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
    json!({
        "kid": id, "kty": "RSA", "alg": "RS256", "use": "sig",
        "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e),
    })
}

fn set(keys: &[Value]) -> JwkSet {
    JwkSet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

fn claims(change: impl FnOnce(&mut Value)) -> Value {
    let now = NOW.unix_timestamp();
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "email": EMAIL, "email_verified": true,
        "sub": "113774264463038321964", "azp": "113774264463038321964",
        "iat": now - 10, "exp": now + 3_590,
    });
    change(&mut claims);
    claims
}

fn header() -> Value {
    json!({"alg": "RS256", "kid": "k1", "typ": "JWT"})
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn token(header: &Value, claims: &Value, key: &RsaKeyPair) -> String {
    let message = unsigned(header, claims);
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Keys that change once they are asked for again, and how often they are asked for.
#[derive(Default)]
struct Keys {
    before: Option<JwkSet>,
    after: Option<JwkSet>,
    asked: Mutex<Vec<bool>>,
}

#[async_trait]
impl IdentityKeys for Keys {
    async fn keys(&self, again: bool, _now: OffsetDateTime) -> Result<Arc<JwkSet>, String> {
        lock(&self.asked).push(again);
        let keys = if again { &self.after } else { &self.before };
        let keys = keys
            .clone()
            .ok_or_else(|| "the provider is away".to_owned())?;
        Ok(Arc::new(keys))
    }
}

fn oidc(keys: Arc<dyn IdentityKeys>) -> Oidc {
    Oidc {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        email: EMAIL.to_owned(),
        keys,
    }
}

fn proven_with(keys: Keys, token: &str) -> (bool, Vec<bool>) {
    let keys = Arc::new(keys);
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let proven = block_on(oidc(Arc::clone(&keys) as Arc<_>).proves(&headers, NOW));
    (proven, lock(&keys.asked).clone())
}

fn is_proven(token: &str) -> bool {
    let keys = set(&[jwk("k0", &other()), jwk("k1", &one())]);
    let keys = Keys {
        before: Some(keys.clone()),
        after: Some(keys),
        ..Keys::default()
    };
    proven_with(keys, token).0
}

fn with_claims(change: impl FnOnce(&mut Value)) -> bool {
    is_proven(&token(&header(), &claims(change), &one()))
}

#[test]
fn a_token_of_the_one_account_for_this_audience_is_a_proof() {
    assert!(with_claims(|_| ()));
    assert!(with_claims(|claims| claims["aud"] = json!([AUDIENCE])));
    assert!(with_claims(|claims| claims["iat"] = json!(null)));
    let other_kid = json!({"alg": "RS256", "kid": "k0"});
    assert!(is_proven(&token(&other_kid, &claims(|_| ()), &other())));
}

#[test]
fn claims_of_others_and_of_other_types_are_refused() {
    for (claim, values) in [
        (
            "iss",
            vec![
                json!("accounts.google.com"),
                json!("https://evil.example"),
                json!(null),
                json!([ISSUER]),
            ],
        ),
        (
            "aud",
            vec![
                json!("https://sync.example.com"),
                json!([AUDIENCE, "x"]),
                json!([]),
                json!(null),
                json!({}),
            ],
        ),
        (
            "email",
            vec![
                json!("x@project.iam.gserviceaccount.com"),
                json!(""),
                json!(null),
                json!([EMAIL]),
            ],
        ),
        (
            "email_verified",
            vec![json!(false), json!("true"), json!(1), json!(null)],
        ),
        (
            "exp",
            vec![json!(null), json!("9999999999"), json!(1e300), json!(-1)],
        ),
        ("nbf", vec![json!("0"), json!(true)]),
        ("iat", vec![json!("0"), json!([])]),
    ] {
        for value in values {
            assert!(
                !with_claims(|claims| claims[claim] = value.clone()),
                "{claim}: {value}"
            );
        }
    }
    for no_claims in [json!([]), json!("x"), json!(null)] {
        assert!(!is_proven(&token(&header(), &no_claims, &one())));
    }
}

#[test]
fn clocks_may_differ_by_a_minute() {
    let now = NOW.unix_timestamp();
    for (claim, inside, outside) in [
        ("exp", now - 59, now - 60),
        ("nbf", now + 60, now + 61),
        ("iat", now + 60, now + 61),
    ] {
        assert!(
            with_claims(|claims| claims[claim] = json!(inside)),
            "{claim}"
        );
        assert!(
            !with_claims(|claims| claims[claim] = json!(outside)),
            "{claim}"
        );
    }
    for (claim, far) in [("exp", i64::MIN), ("nbf", i64::MAX), ("iat", i64::MAX)] {
        assert!(!with_claims(|claims| claims[claim] = json!(far)), "{claim}");
    }
}

#[test]
fn no_algorithm_but_rs256_is_believed() {
    let claims = claims(|_| ());
    for algorithm in ["none", "None", "HS256", "RS384", "ES256", "rs256", ""] {
        let header = json!({"alg": algorithm, "kid": "k1"});
        assert!(!is_proven(&token(&header, &claims, &one())), "{algorithm}");
        assert!(
            !is_proven(&format!("{}.", unsigned(&header, &claims))),
            "{algorithm}"
        );
    }
    // The public key as the secret of an HMAC: what a verifier accepts that takes the algorithm from the token.
    let message = unsigned(&json!({"alg": "HS256", "kid": "k1"}), &claims);
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(one().public()).n;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &public);
    let code = ring::hmac::sign(&key, message.as_bytes());
    let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(code));
    assert!(!is_proven(&forged));
    for header in [
        json!({"alg": ["RS256"], "kid": "k1"}),
        json!({"alg": "RS256", "kid": "k1", "crit": ["exp"]}),
        json!({"alg": "RS256"}),
        json!({"alg": "RS256", "kid": 1}),
        json!(["RS256"]),
    ] {
        assert!(!is_proven(&token(&header, &claims, &one())), "{header}");
    }
}

#[test]
fn a_signature_is_that_of_the_named_key_and_of_all_that_is_signed() {
    let good = token(&header(), &claims(|_| ()), &one());
    assert!(is_proven(&good));
    assert!(!is_proven(&token(&header(), &claims(|_| ()), &other())));
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts[..] else {
        panic!("{good}");
    };
    let other_claims =
        URL_SAFE_NO_PAD.encode(claims(|claims| claims["sub"] = json!("1")).to_string());
    for forged in [
        format!("{head}.{other_claims}.{signature}"),
        format!("{head}.{body}.{}", &signature[4..]),
        format!("{head}.{body}."),
        format!("{head}.{body}"),
        format!("{head}.{body}.{signature}.{signature}"),
        format!(".{body}.{signature}"),
        format!("{head}.{body}.{signature}=="),
        format!("{head}.{body}.%%%"),
        String::new(),
        "..".to_owned(),
        "x".repeat(100_000),
    ] {
        assert!(!is_proven(&forged), "{forged}");
    }
    assert!(is_proven(&format!("{head}.{body}.{signature}")));
}

#[test]
fn an_unknown_key_is_asked_for_once_more() {
    let good = token(&header(), &claims(|_| ()), &one());
    let rotated = Keys {
        before: Some(set(&[jwk("k0", &other())])),
        after: Some(set(&[jwk("k1", &one())])),
        ..Keys::default()
    };
    assert_eq!(proven_with(rotated, &good), (true, vec![false, true]));
    let unknown = Keys {
        before: Some(set(&[jwk("k0", &other())])),
        after: Some(set(&[jwk("k0", &other())])),
        ..Keys::default()
    };
    assert_eq!(proven_with(unknown, &good), (false, vec![false, true]));
    assert_eq!(proven_with(Keys::default(), &good), (false, vec![false]));
    let known = Keys {
        before: Some(set(&[jwk("k1", &other())])),
        ..Keys::default()
    };
    assert_eq!(
        proven_with(known, &good),
        (false, vec![false]),
        "not for a bad signature"
    );
    let keys = Keys::default();
    let odd = json!({"alg": "none", "kid": "k1"});
    let (_, asked) = proven_with(keys, &token(&odd, &claims(|_| ()), &one()));
    assert_eq!(asked, Vec::<bool>::new(), "nor for what is no token");
}

#[test]
fn a_set_has_keys_of_rsa_for_rs256() {
    let good = jwk("k1", &one());
    let change = |member: &str, value: Value| {
        let mut key = good.clone();
        key[member] = value;
        key
    };
    let with_zero = {
        let modulus = URL_SAFE_NO_PAD.decode(good["n"].as_str().unwrap()).unwrap();
        let modulus = [&[0][..], &modulus].concat();
        change("n", json!(URL_SAFE_NO_PAD.encode(modulus)))
    };
    let plain = json!({"kid": "k1", "kty": "RSA", "n": good["n"], "e": good["e"]});
    for key in [with_zero, plain, change("x5c", json!(["x"]))] {
        assert_eq!(set(&[key]), set(std::slice::from_ref(&good)));
    }
    for other in [
        change("kty", json!("EC")),
        change("alg", json!("RS512")),
        change("use", json!("enc")),
        change("kid", json!(null)),
        change("n", json!("%")),
        change("n", json!("")),
        change("e", json!("AAAA")),
        json!(7),
    ] {
        let only = json!({"keys": [other]}).to_string();
        let error = JwkSet::parse(only.as_bytes()).unwrap_err();
        assert!(error.starts_with("no key in it"), "{error}");
        assert_eq!(
            set(&[other, good.clone()]),
            set(std::slice::from_ref(&good))
        );
    }
    for no_set in ["", "[]", "{}", "{\"keys\": {}}", "null"] {
        let error = JwkSet::parse(no_set.as_bytes()).unwrap_err();
        assert!(error.starts_with("it is no set of keys"), "{error}");
    }
    let long = format!("{{\"keys\": [{}]}}", " ".repeat(JwkSet::MOST_BYTES));
    assert!(JwkSet::parse(long.as_bytes()).is_err());
}

#[test]
fn a_small_or_odd_key_verifies_nothing() {
    let weak = json!({"kid": "k1", "kty": "RSA", "n": "AQAB", "e": "AQ"});
    let keys = Keys {
        before: Some(set(&[weak])),
        ..Keys::default()
    };
    let good = token(&header(), &claims(|_| ()), &one());
    assert!(!proven_with(keys, &good).0);
}

#[test]
fn keys_in_a_file_are_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let write = |keys: &[Value]| std::fs::write(&path, json!({"keys": keys}).to_string()).unwrap();
    write(&[jwk("k0", &other())]);
    let keys = KeysFile::open(&path).unwrap();
    let at = |now| block_on(keys.keys(false, now)).unwrap();
    assert_eq!(*at(NOW), set(&[jwk("k0", &other())]));
    write(&[jwk("k1", &one())]);
    let later = NOW + time::Duration::seconds(1);
    assert_eq!(*at(later), set(&[jwk("k1", &one())]));
    std::fs::write(&path, "<html>").unwrap();
    assert_eq!(
        *at(later + time::Duration::seconds(1)),
        set(&[jwk("k1", &one())])
    );
    let error = KeysFile::open(&path).err().unwrap().to_string();
    assert!(
        error.ends_with(
            "keys.json: it is no set of keys; expected an object with a list keys (RFC 7517)"
        ),
        "{error}"
    );
}
