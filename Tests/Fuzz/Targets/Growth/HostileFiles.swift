/// Small files with one part that is used many times: what takes it again for each use is quadratic.
extension GrowthCase {
    static let hostileFiles = [
        parts("yaml", "an alias of a long key", upTo: 512 << 10) { size in
            "x: &x \(text(size / 2))\ny:\n" + String(repeating: "- {*x : 1}\n", count: size / 22)
        },
        parts("manifest", "an alias of a long value", upTo: 512 << 10) { size in
            "kind: List\napiVersion: v1\nmetadata: &x \(text(size / 2))\nitems:\n"
                + String(repeating: "- {kind: *x, apiVersion: WrappedSecret}\n", count: size / 80)
        },
        parts("yaml", "a long prefix of tags", upTo: 512 << 10) { size in
            "%TAG !e! tag:\(text(size / 2))\n---\n" + String(repeating: "- !e!x a\n", count: size / 18)
        },
        parts("yaml", "directives between carriage returns", upTo: 256 << 10) { size in
            (0..<size / 16).map { "%TAG !h\($0)! t:\r" }.joined() + "---\na: b\n"
        },
        parts("manifest", "nested collections", upTo: 256 << 10) { size in
            "a: \"\\x41\"\nb: " + String(repeating: "[a,", count: size / 3)
        },
        parts("manifest", "nested mappings", upTo: 256 << 10) { size in
            "a: \"\\x41\"\nb: " + String(repeating: "{a: ", count: size / 4)
        },
        parts("manifest", "an alias of a long text before an error", upTo: 256 << 10) { size in
            "\"\\x41\": WrappedSecret\na: &a \"\(String(repeating: " ", count: size / 2))z\"\n"
                + String(repeating: "? *a\n: 1\n", count: size / 20) + "]"
        },
        parts("manifest", "an alias of what kubectl applied", upTo: 256 << 10) { size in
            "# Secret\nkind: List\nx: &m\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: |\n      ["
                + String(repeating: "[],", count: size / 6) + "1]\nitems:\n"
                + String(repeating: "- metadata: *m\n", count: size / 30)
        },
        parts("manifest", "an alias of a Secret with unknown fields", upTo: 256 << 10) { size in
            "- &s\n  kind: Secret\n" + (0..<size / 30).map { "  u\($0): v\n" }.joined()
                + String(repeating: "- *s\n", count: size / 10)
        },
        parts("manifest", "WrappedSecrets without a namespace", upTo: 4 << 20) { size in
            (0..<size / 180).map { "---\n" + wrappedSecret("a\($0)", scope: "strict") }.joined()
        },
        parts("secret-manifest", "a shared value before a long space", upTo: 512 << 10) { size in
            let space = String(repeating: " ", count: size / 2)
            let items = (0..<size / 200).map {
                "- {apiVersion: v1, kind: Secret, metadata: {name: a\($0)}, stringData: {<<: *x}}\n"
            }
            return "apiVersion: v1\nkind: List\nitems:\n"
                + "- {apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: &x {k: v\(space)}}\n"
                + items.joined()
        },
        parts("git-merge", "new WrappedSecrets on one side", upTo: 4 << 20) { size in
            let old = (0..<size / 720).map { "---\n" + wrappedSecret("a\($0)") }.joined()
            let new = (0..<size / 720).map { "---\n" + wrappedSecret("b\($0)") }.joined()
            return "\(old)\0\(old)\0\(old)\(new)"
        },
        parts("git-merge", "a List on one line", upTo: 1 << 20) { size in
            func list(_ mac: String) -> String {
                let items = (0..<size / 540).map { wrappedSecret("a\($0)", mac: mac, end: "") }
                return #"{"apiVersion":"v1","kind":"List","items":["# + items.joined(separator: ",") + "]}\n"
            }
            return "\(list("old"))\0\(list("new"))\0\(list("old"))"
        },
        parts("git-merge", "an alias of a spec with a long comment", upTo: 512 << 10) { size in
            let comment = String(repeating: "      # \(text(56))\n", count: size / 8 / 64)
            func list(_ mac: String) -> String {
                let items = (0..<size / 700).map {
                    "- {apiVersion: \(version), kind: WrappedSecret, metadata: {name: a\($0)}, spec: *x}\n"
                }
                return
                    "kind: List\nx: &x\n  format: v1\n  scope: cluster\n  recipients: []\n  mac: \(mac)\n  data:\n"
                    + "\(comment)      a: QUJD\nitems:\n" + items.joined()
            }
            return "\(list("old"))\0\(list("new"))\0\(list("old"))"
        },
        parts("applied-configuration", "items by key", upTo: 512 << 10) { size in
            let indices = 0..<size / 40
            let items = indices.map { #"{"uid":"\#($0)"}"# }.joined(separator: ",")
            let fields = indices.map { #""k:{\"uid\":\"\#($0)\"}":{}"# }.joined(separator: ",")
            return "{\"l\":[\(items)]}\0{\"f:l\":{\(fields)}}"
        },
        parts("applied-configuration", "items by value", upTo: 512 << 10) { size in
            let indices = 0..<size / 30
            let items = indices.map { #""v\#($0)""# }.joined(separator: ",")
            let fields = indices.map { #""v:\"v\#($0)\"":{}"# }.joined(separator: ",")
            return "{\"l\":[\(items)]}\0{\"f:l\":{\(fields)}}"
        },
        parts("wrapped-template", "a value that begins like the text", upTo: 64 << 10) { size in
            text(size / 4) + "b\0" + text(size / 4 * 3)
        },
        parts("sealed-secret", "values and templates", upTo: 512 << 10) { size in
            let values = (0..<size / 36).map { #""v\#($0)":"AAAA""# }.joined(separator: ",")
            let templates = (0..<size / 36).map { #""t\#($0)":"x""# }.joined(separator: ",")
            return
                #"{"apiVersion":"bitnami.com/v1alpha1","kind":"SealedSecret","metadata":{"name":"a","namespace":"b"},"#
                + #""spec":{"encryptedData":{\#(values)},"template":{"data":{\#(templates)}}}}"#
        },
        parts("aws-config", "sections with default settings", upTo: 512 << 10) { size in
            "[DEFAULT]\n" + (0..<250).map { "k\($0)=v\n" }.joined()
                + (0..<size / 20).map { "[profile p\($0)]\na=b\n" }.joined()
        },
        parts("diff", "short lines", upTo: 1 << 20) { size in
            let lines = String(repeating: "a\n", count: size / 4)
            return "b\n\(lines)c\n\0d\n\(lines)e\n"
        },
    ]

    private static let version = "secrets-bridge.io/v1alpha1"

    private static func text(_ count: Int) -> String { String(repeating: "a", count: count) }

    private static func wrappedSecret(
        _ name: String, scope: String = "cluster", mac: String = "m", end: String = "\n"
    ) -> String {
        #"{"apiVersion":"\#(version)","kind":"WrappedSecret","metadata":{"name":"\#(name)"},"#
            + #""spec":{"format":"v1","scope":"\#(scope)","mac":"\#(mac)","recipients":[]}}"# + end
    }

    private static func parts(
        _ target: String, _ name: String, upTo maximum: Int, _ text: @escaping @Sendable (Int) -> String
    ) -> GrowthCase {
        GrowthCase(target: target, name: name, maximum: maximum) { Array(text($0).utf8) }
    }
}
