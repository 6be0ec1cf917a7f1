module github.com/kube-elector/elector/hack/envtest

go 1.26.0

require (
	go.uber.org/goleak v1.3.0
	golang.org/x/term v0.45.0
)

require golang.org/x/sys v0.47.0 // indirect
