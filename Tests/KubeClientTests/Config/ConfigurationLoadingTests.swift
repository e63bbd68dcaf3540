import HTTP
import System
import TestSupport
import Testing

@testable import KubeClient

@Suite struct ConfigurationLoadingTests {
    private let folder: TemporaryFolder
    private let pod: [String: String]

    init() throws {
        folder = try TemporaryFolder()
        try folder.write("pod/token", "pod-token\n")
        try folder.write("pod/ca.crt", fakeCertificate)
        try folder.write("pod/namespace", "team-a\n")
        try folder.write("home/.kube/config", kubeconfig(user: "token: home"))
        try folder.write("listed", kubeconfig(user: "token: listed"))
        try folder.write("explicit", kubeconfig(user: "token: explicit"))
        pod = [
            "KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443",
            "HOME": "\(folder.path)/home",
        ]
    }

    private func header(
        _ environment: [String: String], explicit: String? = nil, context: String? = nil, isPod: Bool = true
    ) async throws -> String? {
        let configuration = try ClusterConfiguration.load(
            explicitPath: explicit, context: context, environment: environment,
            serviceAccountFolder: "\(folder.path)/\(isPod ? "pod" : "none")")
        return text(try await configuration.credentials.credential().authorization)
    }

    @Test func searchesInClientGosOrder() async throws {
        let all = pod.merging(["KUBECONFIG": "\(folder.path)/listed"]) { $1 }
        #expect(try await header(all, explicit: "\(folder.path)/explicit") == "Bearer explicit")
        #expect(try await header(all) == "Bearer listed")
        #expect(try await header(pod) == "Bearer pod-token")
        #expect(try await header(pod, context: "c") == "Bearer home")
        #expect(try await header(pod, isPod: false) == "Bearer home")
        #expect(try await header(["HOME": "\(folder.path)/home"]) == "Bearer home")
    }

    @Test func listsTheContextsOfTheFilesItWouldLoad() throws {
        try folder.write(
            "more", "contexts: [{name: b, context: {cluster: l}}, {name: a, context: {cluster: l}}]")
        let listed = ["KUBECONFIG": "\(folder.path)/more:\(folder.path)/listed"]
        func names(_ path: String?, _ environment: [String: String]) -> [String] {
            ClusterConfiguration.contextNames(explicitPath: path, environment: environment)
        }
        #expect(names(nil, pod.merging(listed) { $1 }) == ["a", "b", "c"])
        #expect(names("\(folder.path)/explicit", listed) == ["c"])
        #expect(names(nil, ["HOME": "\(folder.path)/home"]) == ["c"])
        #expect(names("\(folder.path)/nope", listed) == [])
        #expect(names(nil, [:]) == [])
    }

    @Test(arguments: [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")])
    func loadsTheServiceAccountInAPod(host: String, server: String) throws {
        let environment = pod.merging(["KUBERNETES_SERVICE_HOST": host]) { $1 }
        let configuration = try ClusterConfiguration.load(
            environment: environment, serviceAccountFolder: "\(folder.path)/pod")
        #expect(configuration.server == server)
        #expect(configuration.defaultNamespace == "team-a")
        guard case .pem(let pem) = configuration.trust else { throw CancellationError() }
        #expect(pem == Array(fakeCertificate.utf8))
    }

    @Test func namesEverySearchedPlaceWhenNothingIsConfigured() async {
        let line = await refusal { () throws(ConfigurationError) in
            _ = try ClusterConfiguration.load(environment: ["HOME": "/nonexistent"])
        }
        #expect(
            line
                == "no cluster is configured: KUBECONFIG is not set, this is not a pod with a service account, and "
                + "/nonexistent/.kube/config is missing or empty; set KUBECONFIG to a kubeconfig file")
    }

    @Test func reportsMissingFiles() async {
        #expect(
            await refusal { () throws(ConfigurationError) in
                _ = try ClusterConfiguration.load(environment: ["KUBECONFIG": "/no/a:/no/b"])
            } == "KUBECONFIG names /no/a, /no/b, which define no cluster; correct or unset it")
        #expect(
            await refusal { () throws(ConfigurationError) in _ = try load("/no/a") }
                == "/no/a: there is no such kubeconfig")
    }

    /// A kubeconfig given in place of its path contains credentials, so errors quote nothing of it.
    @Test(arguments: [
        "apiVersion: v1\nusers: [{name: u, user: {token: hunter2}}]\n",
        "{\"apiVersion\": \"v1\", \"token\": \"hunter2\"}",
        "apiVersion: v1 token: hunter2", "YXBpVmVyc2lvbjogdjEKdXNlcnM6IFt7bmFtZTogaHVudGVyMn1d", "hunter2",
        "/nowhere:hunter2:" + String(repeating: "hunter2", count: 1000),
    ])
    func doesNotQuoteAKubeconfigInPlaceOfItsPath(content: String) async {
        let variable = await refusal { () throws(ConfigurationError) in
            _ = try ClusterConfiguration.load(environment: ["KUBECONFIG": content])
        }
        let path = await refusal { () throws(ConfigurationError) in _ = try load(content) }
        for line in [variable, path] {
            #expect(line?.contains("path") == true, "\(line ?? "")")
            #expect(line?.contains("hunter2") == false, "\(line ?? "")")
            #expect(line?.contains("YXBp") == false, "\(line ?? "")")
        }
        #expect(variable?.contains("KUBECONFIG") == true || content.hasPrefix("/nowhere:"))
    }
}
