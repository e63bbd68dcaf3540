import Envelope
import Metrics
import Testing

@testable import Controller

struct ProviderRequestMetricsTests {
    private let telemetry = Telemetry()

    private func send(_ provider: String, _ failures: [KeyManagerError.Code] = []) {
        let observer = telemetry.kmsObserver(ofProvider: provider)
        KeyManagerRequest(.unwrap, keyID: "vault-transit:transit/k", items: 3, observer: observer)
            .complete(failures)
    }

    @Test func aRequestCountsForItsProviderAndItsBackend() {
        send("eu", [.accessDenied])
        let page = telemetry.registry.exposition()
        let labels = #"{provider="eu",operation="unwrap"}"#
        #expect(page.contains("secretsbridge_key_provider_kms_requests_total\(labels) 1\n"))
        #expect(
            page.contains(
                "secretsbridge_key_provider_kms_errors_total"
                    + #"{provider="eu",operation="unwrap",code="accessDenied"} 1"#))
        #expect(
            page.contains(
                #"secretsbridge_kms_items_total{backend="vault-transit",operation="unwrap"} 3"#))
    }

    @Test func theNumberOfSeriesIsLimited() {
        for index in 0..<ProviderMetrics.maximumSeries { send("p\(index)") }
        send("one-more")
        send("another")
        let page = telemetry.registry.exposition()
        #expect(!page.contains("one-more"))
        #expect(
            page.contains(
                #"secretsbridge_key_provider_kms_requests_total{provider="OTHER",operation="unwrap"} 2"#))
    }
}
