import Synchronization

/// Whether the store was asked without waiting for it.
public enum Asking: Sendable {
    case asked
    /// It owes so many answers already that more questions would only wait: SQLite is the way.
    case full
    /// No channel is open, or lent just now: `get` is the way.
    case impossible
}

/// Asking without waiting, over channels that somebody watches.
extension DragonflyStore {
    /// Asks for what lies under a key.
    /// - Parameter then: called once by the watcher's thread; with nil when the store did not answer. Only when it is `asked`.
    func ask(_ cache: CacheName, _ key: [UInt8], then: @escaping @Sendable (Look?) -> Void) -> Asking {
        guard isAnswering else { return .impossible }
        let begin = clock.monotonic
        while let channel = channels.idle.take() {
            guard channel.batch == channels.batch.load(ordering: .acquiring) else {
                channel.close()
                continue
            }
            let acceptance = channel.ask(for: self.key(cache, key), era: page.era) { [self] look in
                if look != nil { counts.note(latency: clock.monotonic &- begin) }
                then(look)
            }
            if case .ended = acceptance { continue }
            channels.idle.put(channel)
            guard case .accepted(let duties) = acceptance else { return .full }
            counts.commands.add(1, ordering: .relaxed)
            see(to: duties, of: channel)
            return .asked
        }
        if channels.open.load(ordering: .relaxed) < channels.wanted { attendant.ring() }
        return .impossible
    }

    /// Has the attendant open channels, watched by `watcher`.
    func attach(_ watcher: any DescriptorWatcher) {
        channels.watcher.withLock { $0 = watcher }
        attendant.ring()
    }

    /// Opens the channels that are missing. On the attendant's thread.
    func openChannels() {
        let batch = breaker.withLock { $0.batch }
        do throws(StoreFault) {
            while isAnswering, channels.open.load(ordering: .relaxed) < channels.wanted, let watcher = channels.watcher.withLock({ $0 }) {
                let channel = StoreChannel(try StoreConnection(configuration, batch: batch), timeout: configuration.timeout)
                page.raiseEra()
                guard watcher.watch(channel.descriptor, { [weak self] in self?.read(channel) ?? false }) else { return }
                channels.open.add(1, ordering: .relaxed)
                channels.batch.store(batch, ordering: .releasing)
                channels.idle.put(channel)
            }
        } catch {
            trip(error, batch: batch)
        }
    }

    func closeChannels() {
        while let channel = channels.idle.take() { channel.close() }
    }

    /// On the watcher's thread. false: the channel has ended.
    private func read(_ channel: StoreChannel) -> Bool {
        let end = channel.read()
        let foreign = channel.foreignValues.exchange(0, ordering: .relaxed)
        if foreign > 0 { counts.foreignValues.add(foreign, ordering: .relaxed) }
        guard let end else { return true }
        channels.open.subtract(1, ordering: .relaxed)
        switch end {
        case .quiet: attendant.ring()
        case .fault(let fault): trip(fault, batch: channel.batch)
        }
        return false
    }

    private func see(to duties: StoreChannel.Duties, of channel: StoreChannel) {
        guard duties.flush || duties.watchTime, let watcher = channels.watcher.withLock({ $0 }) else { return }
        if duties.flush { watcher.afterwards { channel.flush() } }
        if duties.watchTime { watchTime(of: channel, after: configuration.timeout) }
    }

    private func watchTime(of channel: StoreChannel, after duration: Duration) {
        channels.watcher.withLock { $0 }?.schedule(after: duration) { [weak self] in
            guard let left = channel.watchTime() else { return }
            self?.watchTime(of: channel, after: .nanoseconds(Int64(left)))
        }
    }
}
