import Envelope
import KubeClient
import Testing

@testable import Resources

@Suite struct TemplateValidationTests {
    private func label(_ key: String, _ value: String = "v") -> SpecError? {
        refusal(.init(metadata: .init(labels: [key: value])))
    }

    private func annotation(_ key: String, _ value: String = "v") -> SpecError? {
        refusal(.init(metadata: .init(annotations: [key: value])))
    }

    @Test(arguments: ["a", "A.b-c_d", "x.io/a", "a-b.example.com/C", "1", "secrets-bridge.io.example.com/a"])
    func acceptsKeys(key: String) {
        #expect(label(key) == nil)
        #expect(annotation(key) == nil)
    }

    @Test(arguments: [
        "", "/a", "a/", "a/b/c", "-a", "a-", "_a", "é", "a b", "x_y/a", "a\u{301}",
        String(repeating: "a", count: 64),
    ]) func refusesInvalidKeys(key: String) {
        #expect(label(key)?.reason == .invalidSpec)
        #expect(annotation(key)?.reason == .invalidSpec)
    }

    @Test func acceptsCapitalsInAnAnnotationPrefix() {
        #expect(label("X.io/a") != nil)
        #expect(annotation("X.io/a") == nil)
    }

    @Test(arguments: ["-", "a-", ".a", "a b", "é", "a/b", String(repeating: "a", count: 64)])
    func refusesInvalidLabelValues(value: String) {
        #expect(label("a", value)?.message.contains("the value of a is not a label value") == true)
    }

    @Test(arguments: [
        "secrets-bridge.io/managed", "sub.secrets-bridge.io/x", "app.kubernetes.io/managed-by",
        "applyset.kubernetes.io/part-of", "argocd.argoproj.io/instance",
    ]) func refusesReservedLabels(key: String) {
        #expect(label(key)?.message.contains("cannot be set from a template") == true)
    }

    @Test(arguments: [
        "secrets-bridge.io/allow", "kubectl.kubernetes.io/last-applied-configuration",
        "kubernetes.io/service-account.name", "meta.helm.sh/release-name", "argocd.argoproj.io/tracking-id",
        "objectset.rio.cattle.io/applied",
    ]) func refusesReservedAnnotations(key: String) {
        #expect(annotation(key)?.message.contains("cannot be set from a template") == true)
    }

    @Test func limitsTheNumberAndSizeOfAnnotations() {
        func pairs(_ count: Int) -> [String: String] {
            Dictionary(uniqueKeysWithValues: (0..<count).map { ("k\($0)", "v") })
        }
        #expect(refusal(.init(metadata: .init(labels: pairs(64)))) == nil)
        #expect(refusal(.init(metadata: .init(labels: pairs(65)))) != nil)
        #expect(refusal(.init(metadata: .init(annotations: pairs(65)))) != nil)
        #expect(annotation("a", String(repeating: "x", count: 65536)) == nil)
        #expect(annotation("a", String(repeating: "x", count: 65537)) != nil)
    }

    @Test(arguments: ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"])
    func refusesTypesWithClusterCredentials(type: String) {
        #expect(refusal(.init(type: type))?.reason == .forbiddenType)
    }

    @Test func requiresTheEntriesOfAType() {
        func of(_ type: String, _ entries: String...) -> String? {
            refusal {
                $0.spec.template = .init(type: type)
                $0.spec.envelope.data = Dictionary(uniqueKeysWithValues: entries.map { ($0, sealed) })
            }?.message
        }
        #expect(of("kubernetes.io/tls", "tls.crt", "tls.key") == nil)
        #expect(
            of("kubernetes.io/tls", "tls.crt")
                == "spec.template.type kubernetes.io/tls needs the entry tls.key")
        #expect(of("kubernetes.io/basic-auth", "password") == nil)
        #expect(of("kubernetes.io/basic-auth", "user") != nil)
        #expect(of("kubernetes.io/dockerconfigjson", ".dockerconfigjson") == nil)
        #expect(of("kubernetes.io/dockerconfigjson", "config.json") != nil)
        #expect(of("kubernetes.io/ssh-auth") != nil)
        #expect(of("example.com/anything") == nil)
        #expect(of("") != nil)
    }
}
