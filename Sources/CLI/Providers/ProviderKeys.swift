package import Envelope
package import Resources
import System

extension KeyRing {
    /// Returns a ring with the keys of providers, which use the credentials of the user.
    ///
    /// - Parameters:
    ///   - selected: The provider that wraps. Nil to add the keys of all providers to those of `own`.
    ///   - own: The keys of the settings, or nil if there are no settings.
    /// - Throws: `InputError` if a provider cannot be used.
    package static func of(
        _ providers: ProviderManifests, selected: ProviderRef? = nil, own: KeyRing?,
        factory: any KeyManagerFactory
    ) throws(InputError) -> KeyRing {
        let resolution = ProviderResolution(providers)
        var keys: [any KeyManager] = []
        for provider in selected.map({ [$0] }) ?? providers.refs {
            do throws(ProviderError) {
                let settings = try resolution.userSettings(provider)
                do throws(KeyProviderSettingsError) {
                    keys.append(try factory.keyManager(for: settings, identity: nil, observer: nil))
                } catch {
                    throw ProviderError(
                        reason: .providerNotReady,
                        message:
                            "\("\(provider)".truncated(toUTF8: 512)) cannot be used here: \(error.message)")
                }
            } catch {
                throw InputError(error.message)
            }
        }
        if selected != nil, let key = keys.first { return KeyRing(primary: key) }
        if let own {
            return KeyRing(
                primary: own.primary, others: own.others, providerKeys: keys, backlog: own.backlog)
        }
        guard let first = keys.first else { throw InputError("no provider was given") }
        // Among the keys of providers there is none that replaces others.
        return KeyRing(primary: first, providerKeys: Array(keys.dropFirst()))
    }
}
