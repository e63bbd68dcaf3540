import KubeClient
import Resources

/// Whether the data of a Secret is what we wrote, told by metadata alone: the API server keeps account of who set
/// which field, and when (`managedFields`). Needed where the resourceVersion says nothing: any label moves it, and so
/// does a new encryption key of etcd, for every Secret at once.
enum DataOwnership {
    /// Exactly we own exactly these entries, nobody else `immutable`, and we have changed nothing since `time`, as the API server gave it for our
    /// last write. What cannot be told is no.
    static func isOurs(_ secret: ObjectMeta, entries: some Collection<String>, since time: String?) -> Bool {
        guard let time,
            secret.managedFields?.contains(where: {
                $0.isOfImmutable && $0.manager != KubeClient.fieldManager
            }) != true
        else { return false }
        let owners = (secret.managedFields ?? []).filter { !$0.data.isEmpty }
        guard !entries.isEmpty else { return owners.isEmpty && lastWrite(secret) == time }
        guard let ours = owners.first, owners.count == 1, ours.manager == KubeClient.fieldManager,
            ours.time == time, ours.data.count == entries.count
        else { return false }
        return entries.allSatisfy(ours.data.contains)
    }

    /// When we wrote it last, by the API server's clock.
    static func lastWrite(_ secret: ObjectMeta) -> String? {
        // More than one entry of ours there can be after a new version of the API; the times have one format.
        secret.managedFields?.filter { $0.manager == KubeClient.fieldManager }.compactMap(\.time).max()
    }
}
