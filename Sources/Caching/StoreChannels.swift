import Synchronization

/// The channels of one store.
final class StoreChannels: Sendable {
    /// Those that nobody is asking over. The one put back last is taken first, so that few carry much.
    let idle = Pool<StoreChannel>()
    /// Guards who watches; nil: there are no channels.
    let watcher = Mutex<(any DescriptorWatcher)?>(nil)
    /// How many have not ended.
    let open = Atomic(0)
    /// Which opening of the circuit breaker the newest belongs to; older ones may show an earlier life of the store.
    let batch = Atomic(0)
    let wanted: Int

    init(wanted: Int) { self.wanted = wanted }
}
