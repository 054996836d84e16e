//! Texts as people and dpkg write them.

/// Target, name and text.
pub(crate) const TEXTS: [(&str, &str, &str); 17] = [
    (
        "manifest",
        "anchors",
        "schema_version: 1\nname: &a web\nfile_spec: &f [/usr/**, '/etc/*']\nmask: [/etc/x]\n\
         skills: {a: *a, b: [1, 2.5, ~, !!str 3]}\n",
    ),
    (
        "deb822",
        "index",
        "Package: a\nDepends: b (>= 1:2~) | c:any, d [amd64] <!x>\nProvides: v (= 1)\nConffiles:\n /x 1\n\nA: b",
    ),
    ("deb822", "sources", "# c\nTypes: deb\nURIs: http://mirror.example.org/debian\nSuites: a\n b\n\nEnabled: no\n"),
    ("deb822", "odd", "\r\nA : b\r\na: c\n \t\n-D:\n\n no field\n"),
    ("lock", "small", LOCK),
    ("build_documents", "requirements", REQUIREMENTS),
    (
        "keyring",
        "armoured",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\nmQAMBAECAwQWYWJjZGVm\n=abcd\n\
         -----END PGP PUBLIC KEY BLOCK-----\n",
    ),
    (
        "filter",
        "rules",
        "-/etc/[a-c]*\n-/a/**/x\n+/usr/***\n+/etc/\n+/lib/x?\n+/o[[:alpha:]]t\n/usr/lib/x\n/etc/b\n/a/b/x\n\
         /opt\n/lib/xy\n/empty/\n",
    ),
    (
        "unit",
        "service",
        "x@a-b.service\n[Unit]\nConditionPathExists=|!/x\nAssertFileNotEmpty=/y\n[Service]\nUser=%i\nDynamicUser=1\n\
         ExecStart=\nExecStart=@-/bin/x \\\n# c\n 'a b' \\x20 ; +y $Z\nStateDirectory=a:b\nEnvironmentFile=-/e\n\
         [Install]\nWantedBy=multi-user.target\nAlias=%p.service\n",
    ),
    (
        "unit",
        "socket",
        "x.socket\n[Socket]\nListenStream=[::]:80\nAccept=yes\nService=y@.service\nListenFIFO=/run/%n\n",
    ),
    ("versions", "three", "1:2.0~rc1-1+b1\n1:2.0-1\n2.0a-01"),
    ("words", "path", "/usr//lib/./x/"),
    ("words", "digest", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("words", "request", "nginx:amd64=1.2-3"),
    ("words", "requirement", "owner/nginx@>=1.2, <2"),
    ("words", "pattern", "/usr/**/[!a-c[:digit:]]?\\*"),
    ("words", "epoch", "1700000000"),
];

/// The files of a database in the order in which the target takes them.
pub(crate) const DATABASE: [&str; 6] = [
    "Package: a\nStatus: install ok installed\nPriority: required\nArchitecture: all\nVersion: 1-2\nSource: s (3)\n\
             Depends: b (>= 1) | c:any, d\nProvides: v\n\nPackage: b\nStatus: install ok unpacked\nArchitecture: amd64\n",
    "/.\n/usr\n/usr/bin/x\n",
    "/etc/x\nremove-on-upgrade /etc/y\n",
    "/bin/sh\n/bin/sh.distrib\ndash\n/a\n/b\n:\n",
    "root mail 2755 /usr/bin/x\n",
    "auto\n/usr/bin/pager\npager.1.gz\n/usr/share/man/pager.1.gz\n\n/bin/more\n50\n/usr/share/man/more.1.gz\n\n",
];

const LOCK: &str = r#"version = 1
manifest = "sha256:f4d0e7e4d52e6d85845f92402e24b8e7a2d96f7262f5af59eab8e30fa3c7b5ed"
settings = "sha256:9c21a1f2eff235856f66038528108e52529bdc64845c019fb830986e38598a67"

[inputs]
suite = "trixie"
variant = "minbase"
components = ["main"]
mirrors = ["http://mirror.example.org/debian"]
snapshot = "20250520T000000Z"
keyring = "sha256:90c4c719963bee4ce4828c58f4b9ed567b0776971f046d058d6e9f090e1d431f"
keyring_fingerprints = ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]

[[architecture]]
arch = "amd64"
requests = ["nginx=1"]

[[architecture.archive]]
uri = "http://mirror.example.org/debian"
path = "trixie"
inrelease = "sha256:dbc1ddecd893ea830f238581650d07263d747989552a63f212637513202fe98c"
date = 1700000000
suite = "stable"
codename = "trixie"
origin = "Debian"

[[architecture.package]]
name = "nginx"
version = "1"
arch = "all"
source = "nginx"
source_version = "1"
path = "pool/nginx_1_all.deb"
size = 4
sha256 = "sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2"
reason = "required by libfoo"
"#;

/// What stands in dumps behind the line of the root: what no build writes.
pub(crate) const DUMPS: [(&str, &str); 5] = [
    (
        "open",
        "/a 100 100644 1 0 0 0 0.0 some/file - -\n/b 70 100644 3 0 33 0 -1.5 - - -\n/c 0 @100644 1 0 0 0 0.0 /b - -\n",
    ),
    ("huge", "/bigfile 9000000000000000 100777 1 0 0 0 0.0 - - - user.foo=\n"),
    ("whiteout", "/d 0 40755 2 0 0 0 0.0 - - -\n/d/w 1 20644 2 0 0 0 0.0 - - -\n/x 0 @20644 2 0 0 0 0.0 /d/w - -\n"),
    (
        "named",
        "/a 9 100644 1 0 0 0 0.0 x/y - 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n\
         /p 4294967296 10644 1 0 0 0 0.0 - - -\n/n 0 20644 1 0 0 259 0.0 - - -\n",
    ),
    (
        "escapes",
        "/a\\x20b 4 100644 1 0 0 0 0.0 - \\n\\x00\\\\- - user.\\x3d=\\xff\n/l 1 120777 1 0 0 0 0.0 \\x2d - -\n",
    ),
];

/// What a module says of itself: every key of requirements.json.
const REQUIREMENTS: &str = "\
     {\"accounts\":[{\"from\":\"base\",\"gid\":65534,\"name\":\"nogroup\"},{\"from\":\"module\",\"gid\":312,\"name\":\"web\",\"uid\":312}],\
     \"arch\":\"amd64\",\"base\":{\"digest\":\"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"mod\
     ule\":{\"digest\":\"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"name\":\"under\",\"versi\
     on\":\"1.2.3\"},\"packages\":[{\"arch\":\"all\",\"name\":\"lib\",\"version\":\"1:2-3\"}],\"suite\":\"trixie\",\"variant\":\"minbase\"},\
     \"data\":[],\"name\":\"web\",\"needs\":[{\"by\":[\"/a\",\"/b\",\"/c\"],\"count\":4,\"kind\":\"library\",\"name\":\"libx.so.1\",\"optional\
     \":false}],\"packages\":[{\"arch\":\"amd64\",\"name\":\"web\",\"version\":\"1\"}],\"recommends\":[\"tools\"],\"requires\":[{\"digest\
     \":\"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"name\":\"under\",\"version\":\"1.2.3\"}]\
     ,\"schema_version\":1,\"secrets\":[{\"kind\":\"pem-key\",\"made_by\":{\"command\":[\"/usr/bin/make\",\"-k\"],\"unit\":\"module-we\
     b-key.service\",\"user\":\"web\"},\"path\":\"/etc/web/key\"},{\"kind\":\"unknown\",\"path_base64\":\"L2V0Yy94/w==\"}],\"units\":{\
     \"enabled\":[\"web.service\"],\"not_enabled\":[\"other.timer\"],\"shipped\":[\"web.service\"]},\"version\":\"1.0.0\"}";
