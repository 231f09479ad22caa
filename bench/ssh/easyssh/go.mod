module easyssh-peer

go 1.24.0

require github.com/appleboy/easyssh-proxy v1.5.2

require (
	github.com/ScaleFT/sshkeys v1.4.0 // indirect
	github.com/dchest/bcrypt_pbkdf v0.0.0-20150205184540-83f37f9c154a // indirect
	golang.org/x/crypto v0.43.0 // indirect
	golang.org/x/sys v0.37.0 // indirect
)
