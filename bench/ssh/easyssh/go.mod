module easyssh-peer

go 1.22

require github.com/appleboy/easyssh-proxy v1.5.0
