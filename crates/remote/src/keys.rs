//! Key pairs of NaCl (Curve25519) as files: `pub.key`, which sensors get, and `priv.key`, which stays with
//! the server; each 64 lower-case hexadecimal digits, as the programs of 2019 wrote and read them.
//!
//! Guarantees: a private key is never readable by others, from its first moment on; a key is whole or
//! not there; one that is there is only replaced where that was asked for; no message and no debug
//! output holds a key.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crypto_box::SecretKey;
use netcap_capture::access_of_others;
use ring::rand::{SecureRandom, SystemRandom};

use crate::Error;

/// Name of the file with the public key.
pub const PUBLIC_KEY_FILE: &str = "pub.key";
/// Name of the file with the private key.
pub const PRIVATE_KEY_FILE: &str = "priv.key";

/// Octets of a file that are read at most: a key, and blanks.
const LONGEST_FILE: u64 = 4096;

/// The points of low order, and the numbers that mean the same: whatever private key they meet, what is
/// agreed upon is zero, which everybody knows. (The list of libsodium; see D. J. Bernstein, "Curve25519:
/// new Diffie-Hellman speed records", and RFC 7748, section 6.1.)
const WEAK: [[u8; 32]; 7] = [
    small(0),
    small(1),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    near_prime(0xec),
    near_prime(0xed),
    near_prime(0xee),
];

const fn small(value: u8) -> [u8; 32] {
    let mut octets = [0; 32];
    octets[0] = value;
    octets
}

/// A number next to 2^255 - 19, by its lowest octet.
const fn near_prime(lowest: u8) -> [u8; 32] {
    let mut octets = [0xff; 32];
    octets[0] = lowest;
    octets[31] = 0x7f;
    octets
}

/// A public key. Debug output does not show it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key in the order of octets that NaCl has. Any 32 octets are a key.
    pub fn from_octets(octets: [u8; 32]) -> PublicKey {
        PublicKey(octets)
    }

    /// The octets of the key.
    pub fn octets(&self) -> [u8; 32] {
        self.0
    }

    /// Whether the key is of low order: what is sealed for it, or with it, anybody can open and make.
    pub fn is_weak(&self) -> bool {
        let mut octets = self.0;
        // X25519 passes over the highest bit (RFC 7748, section 5).
        octets[31] &= 0x7f;
        WEAK.contains(&octets)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey")
    }
}

/// A private key, overwritten in memory when dropped. Debug output does not show it.
#[derive(Clone)]
pub struct PrivateKey(pub(crate) SecretKey);

impl PrivateKey {
    /// A new key.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn random() -> Result<PrivateKey, Error> {
        Ok(PrivateKey(SecretKey::from_bytes(random()?)))
    }

    /// The key of these octets. Any 32 are one.
    pub fn from_octets(octets: [u8; 32]) -> PrivateKey {
        PrivateKey(SecretKey::from_bytes(octets))
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key().to_bytes())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// Random octets of the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut octets = [0; N];
    match SystemRandom::new().fill(&mut octets) {
        Ok(()) => Ok(octets),
        Err(_) => Err(Error::NoRandomNumbers),
    }
}

/// Makes a key pair and writes [`PUBLIC_KEY_FILE`] and [`PRIVATE_KEY_FILE`] into a directory that is there.
/// Keys that are there are replaced only where `overwrite` says so.
///
/// Both are written beside their places first, so a failure leaves what was there before; only where
/// the second of two keys cannot be replaced is the pair broken, and the error says so.
///
/// # Errors
/// Where a key is there already, or the directory refuses.
pub fn write_key_pair(directory: &Path, overwrite: bool) -> Result<(), Error> {
    let private_path = directory.join(PRIVATE_KEY_FILE);
    let public_path = directory.join(PUBLIC_KEY_FILE);
    if !overwrite {
        for path in [&private_path, &public_path] {
            // A link counts, wherever it leads.
            if fs::symlink_metadata(path).is_ok() {
                return Err(is_there(path));
            }
        }
    }
    let private = PrivateKey::random()?;
    let new_private = NewFile::write(&private_path, 0o600, &hex(&private.0.to_bytes()))?;
    let new_public = NewFile::write(&public_path, 0o644, &hex(&private.public().0))?;
    if overwrite {
        new_private.replace(&private_path)?;
        new_public
            .replace(&public_path)
            .map_err(|error| Error::Key {
                path: public_path.clone(),
                reason: format!(
                    "is not replaced, though its private key is, so make a pair again: {error}"
                ),
            })?;
    } else {
        new_private.appear(&private_path)?;
        new_public.appear(&public_path).inspect_err(|_| {
            let _ = fs::remove_file(&private_path);
        })?;
    }
    let folder = File::open(directory).and_then(|folder| folder.sync_all());
    folder.map_err(Error::io(directory))
}

/// A file beside its place; it goes away unless it is moved there.
struct NewFile {
    path: PathBuf,
}

impl NewFile {
    fn write(place: &Path, mode: u32, contents: &str) -> Result<NewFile, Error> {
        let mut name = std::ffi::OsString::from(".");
        name.push(place.file_name().unwrap_or_default());
        name.push(format!(".{}", hex(&random::<8>()?)));
        let path = place.with_file_name(name);
        // O_CREAT and O_EXCL: what is there, a link too, is not followed or opened.
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            // The name is nothing that a person has heard of.
            .map_err(unwritable(place))?;
        let new = NewFile { path };
        file.write_all(contents.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(Error::io(&new.path))?;
        Ok(new)
    }

    /// Takes its place, unless something is there.
    fn appear(&self, place: &Path) -> Result<(), Error> {
        fs::hard_link(&self.path, place).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => is_there(place),
            _ => Error::io(place)(error),
        })
    }

    /// Takes its place, whatever is there. A link is replaced, not followed.
    fn replace(&self, place: &Path) -> Result<(), Error> {
        fs::rename(&self.path, place).map_err(Error::io(place))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Reads a public key. A private key has the same form, and is told by its name or by the public key that
/// lies beside it; with neither it is taken for a public key, and a server refuses what is sealed for it.
///
/// # Errors
/// Where the file cannot be read or holds no key that protects anything.
pub fn read_public(path: &Path) -> Result<PublicKey, Error> {
    let file = File::open(path).map_err(unreadable(path))?;
    let key = PublicKey(read(&file, path, PUBLIC_KEY_FILE)?);
    if key.is_weak() {
        return Err(Error::Key {
            path: path.to_owned(),
            reason:
                "holds a key of low order, with which everybody could read the records; make a \
                     pair with netcap-server -gen-keypair"
                    .to_owned(),
        });
    }
    if named(path, PRIVATE_KEY_FILE) || is_private_half(path, key) {
        return Err(Error::Key {
            path: path.to_owned(),
            reason: format!(
                "is the private key, which stays with the server; give the {PUBLIC_KEY_FILE} beside it"
            ),
        });
    }
    Ok(key)
}

fn named(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|found| found == name)
}

/// Whether the public key in the same folder is that of this key.
fn is_private_half(path: &Path, key: PublicKey) -> bool {
    let beside = path.with_file_name(PUBLIC_KEY_FILE);
    let beside = File::open(&beside).and_then(|file| text_of(&file));
    let public = PrivateKey::from_octets(key.0).public();
    beside.is_ok_and(|text| self::key(text.trim_ascii()) == Some(public.0))
}

/// Reads a private key, which [nobody else](access_of_others) may be able to read.
///
/// # Errors
/// Where the file cannot be read, holds no key, or others may read it.
pub fn read_private(path: &Path) -> Result<PrivateKey, Error> {
    if named(path, PUBLIC_KEY_FILE) {
        return Err(Error::Key {
            path: path.to_owned(),
            reason: format!("is the public key, which is for sensors; give {PRIVATE_KEY_FILE}"),
        });
    }
    let file = File::open(path).map_err(unreadable(path))?;
    // Of the file that was opened: the name may lead elsewhere a moment later.
    let metadata = file.metadata().map_err(Error::io(path))?;
    // A folder is no file of anybody's: reading it fails below.
    if let Some(mode) = access_of_others(&metadata).filter(|_| !metadata.is_dir()) {
        return Err(Error::Key {
            path: path.to_owned(),
            reason: format!(
                "others than its owner have access to this private key (mode {mode:03o}); chmod 600 {}",
                path.display()
            ),
        });
    }
    Ok(PrivateKey::from_octets(read(
        &file,
        path,
        PRIVATE_KEY_FILE,
    )?))
}

/// Reads 64 hexadecimal digits with any blanks around them.
fn read(file: &File, path: &Path, name: &str) -> Result<[u8; 32], Error> {
    let text = text_of(file).map_err(Error::io(path))?;
    key(text.trim_ascii()).ok_or_else(|| Error::Key {
        path: path.to_owned(),
        reason: format!(
            "is no key, which has 64 hexadecimal digits; give the {name} that netcap-server \
             -gen-keypair has written"
        ),
    })
}

fn text_of(file: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(LONGEST_FILE).read_to_end(&mut text)?;
    Ok(text)
}

fn key(text: &[u8]) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let mut octets = [0; 32];
    for (octet, pair) in octets.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *octet = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(octets)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn is_there(path: &Path) -> Error {
    Error::Key {
        path: path.to_owned(),
        reason: "is there already, and sensors or a server may use it; move it away first"
            .to_owned(),
    }
}

/// Why a key cannot be read, with what to do.
fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::Key {
        reason: match error.kind() {
            io::ErrorKind::NotFound => {
                "no such key; `netcap-server -gen-keypair` makes a pair".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                "this user may not read it; run as its owner, or give it to this user with chown"
                    .to_owned()
            }
            _ => format!("cannot be read: {error}"),
        },
        path,
    }
}

/// Why a key cannot be written, with what to do.
fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::Key {
        reason: format!("cannot be written: {error}; go to a folder that you may write to"),
        path,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use crypto_box::SalsaBox;
    use crypto_box::aead::Aead;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("UTF-8")
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn pairs_are_written_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let [public, private] = [PUBLIC_KEY_FILE, PRIVATE_KEY_FILE].map(|n| folder.path().join(n));
        write_key_pair(folder.path(), false).expect("written");
        assert_eq!(names(folder.path()), [PRIVATE_KEY_FILE, PUBLIC_KEY_FILE]);
        let mode = |path: &Path| fs::metadata(path).expect("a file").mode() & 0o777;
        assert_eq!(mode(&private), 0o600);
        assert_eq!(mode(&public) & 0o600, 0o600);
        let text = fs::read_to_string(&private).expect("text");
        assert_eq!(text.len(), 64);
        assert!(text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')));
        let pair = read_private(&private).expect("a key");
        assert_eq!(pair.public(), read_public(&public).expect("a key"));

        let refused = write_key_pair(folder.path(), false).expect_err("there are keys");
        assert!(refused.to_string().contains("there already"), "{refused}");
        assert_eq!(fs::read_to_string(&private).expect("text"), text);
        write_key_pair(folder.path(), true).expect("replaced");
        assert_ne!(fs::read_to_string(&private).expect("text"), text);
        let pair = read_private(&private).expect("a key");
        assert_eq!(pair.public(), read_public(&public).expect("a key"));
        assert_eq!(names(folder.path()), [PRIVATE_KEY_FILE, PUBLIC_KEY_FILE]);
    }

    #[test]
    fn one_of_two_is_enough_to_refuse_and_links_are_not_followed() {
        for name in [PUBLIC_KEY_FILE, PRIVATE_KEY_FILE] {
            let folder = tempfile::tempdir().expect("a folder");
            let elsewhere = folder.path().join("elsewhere");
            symlink(&elsewhere, folder.path().join(name)).expect("a link");
            write_key_pair(folder.path(), false).expect_err("a link is there");
            assert_eq!(names(folder.path()), [name]);
            write_key_pair(folder.path(), true).expect("the link is replaced");
            assert!(!elsewhere.exists());
            read_private(&folder.path().join(PRIVATE_KEY_FILE)).expect("a key");
        }
    }

    #[test]
    fn nothing_stays_of_what_failed() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join(PUBLIC_KEY_FILE)).expect("a folder in the way");
        for overwrite in [false, true] {
            write_key_pair(folder.path(), overwrite).expect_err("a folder is in the way");
        }
        let left = names(folder.path());
        assert!(left.iter().all(|name| !name.starts_with('.')), "{left:?}");
        write_key_pair(&folder.path().join("missing"), false).expect_err("no folder");
    }

    #[test]
    fn a_private_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        write_key_pair(folder.path(), false).expect("written");
        let path = folder.path().join(PRIVATE_KEY_FILE);
        for mode in [0o640, 0o604, 0o644, 0o610, 0o620, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
            let error = read_private(&path).expect_err("others").to_string();
            assert!(
                error.contains(&format!("chmod 600 {}", path.display())),
                "{error}"
            );
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
            read_private(&path).expect("a key");
        }
    }

    #[test]
    fn the_other_half_of_a_pair_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        write_key_pair(folder.path(), false).expect("written");
        let [public, private] = [PUBLIC_KEY_FILE, PRIVATE_KEY_FILE].map(|n| folder.path().join(n));
        let renamed = folder.path().join("server");
        fs::copy(&private, &renamed).expect("copied");
        let elsewhere = tempfile::tempdir().expect("a folder");
        let alone = elsewhere.path().join(PRIVATE_KEY_FILE);
        fs::copy(&private, &alone).expect("copied");
        for path in [&private, &renamed, &alone] {
            let error = read_public(path).expect_err("private").to_string();
            assert!(error.contains("is the private key"), "{error}");
        }
        read_public(&public).expect("public");
        let error = read_private(&public).expect_err("public").to_string();
        assert!(error.contains("is the public key"), "{error}");
        assert!(!error.contains("chmod"), "{error}");
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let digits = "5a".repeat(32);
        for good in [
            digits.clone(),
            format!(" {digits} \r\n"),
            digits.to_uppercase(),
        ] {
            fs::write(&path, good).expect("written");
            assert_eq!(read_public(&path).expect("a key").octets(), [0x5a; 32]);
        }
        let mut bad = vec![String::new(), "\n".to_owned(), digits[1..].to_owned()];
        bad.push(format!("{digits}5a"));
        bad.push(format!("{}\n{}", &digits[..32], &digits[32..]));
        bad.push(format!("g{}", &digits[1..]));
        bad.push(format!("+{}", &digits[1..]));
        bad.push(format!("{}{digits}", " ".repeat(5000)));
        for bad in bad {
            fs::write(&path, &bad).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
            for error in [
                read_public(&path).expect_err("no key"),
                read_private(&path).expect_err("no key"),
            ] {
                let shown = format!("{error} {error:?}");
                assert!(shown.contains("-gen-keypair"), "{shown}");
                assert!(!shown.contains("5a5a"), "{shown}");
            }
        }
        fs::write(&path, "00".repeat(32)).expect("written");
        read_public(&path).expect_err("a weak key");
        read_public(folder.path()).expect_err("a folder");
        let error = read_private(folder.path()).expect_err("a folder");
        assert!(!error.to_string().contains("chmod"), "{error}");
        read_public(&folder.path().join("missing")).expect_err("no file");
    }

    #[test]
    fn debug_output_shows_no_key() {
        let key = PrivateKey::from_octets([0x5a; 32]);
        assert_eq!(
            format!("{key:?} {:?}", key.public()),
            "PrivateKey PublicKey"
        );
    }

    #[test]
    fn weak_keys_agree_on_the_same_with_everybody() {
        let sealed = |public: [u8; 32], private: u8| {
            let shared = SalsaBox::new(&public.into(), &SecretKey::from_bytes([private; 32]));
            shared
                .encrypt(&[0; 24].into(), &b"text"[..])
                .expect("sealed")
        };
        for mut octets in WEAK {
            assert_eq!(sealed(octets, 1), sealed(octets, 2));
            assert_eq!(sealed(octets, 1), sealed([0; 32], 3));
            assert!(PublicKey(octets).is_weak());
            octets[31] |= 0x80;
            assert_eq!(sealed(octets, 1), sealed(octets, 2));
            assert!(PublicKey(octets).is_weak());
        }
        let good = PrivateKey::random().expect("random").public();
        assert!(!good.is_weak());
        assert_ne!(sealed(good.0, 1), sealed(good.0, 2));
    }
}
