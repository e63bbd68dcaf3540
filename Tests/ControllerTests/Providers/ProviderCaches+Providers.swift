import KubeClient
import Resources

@testable import Controller

extension ProviderCaches {
    var providers: [ProviderRef] {
        clusterKeyProviders.refs.map { ProviderRef(clusterKeyProvider: $0.name) }
            + keyProviders.values.flatMap(\.refs).map { ProviderRef(keyProvider: $0) }
    }
}
