/// A binary heap of objects by deadline, from which any object can be removed.
struct DeadlineHeap<Element: AnyObject> {
    private struct Entry {
        let due: UInt64
        let element: Element
    }

    private var entries: [Entry] = []
    private var places: [ObjectIdentifier: Int] = [:]

    var count: Int { entries.count }
    var firstDue: UInt64? { entries.first?.due }

    func isDue(at now: UInt64) -> Bool { firstDue.map { $0 <= now } ?? false }

    /// True when the element is the next one due.
    mutating func insert(_ element: Element, due: UInt64) -> Bool {
        entries.append(Entry(due: due, element: element))
        places[ObjectIdentifier(element)] = entries.count - 1
        return rise(from: entries.count - 1) == 0
    }

    mutating func takeFirst() -> Element? {
        guard let first = entries.first?.element else { return nil }
        remove(at: 0)
        return first
    }

    /// Nothing happens when the element is not there any more.
    mutating func remove(_ element: Element) {
        if let place = places[ObjectIdentifier(element)] { remove(at: place) }
    }

    private mutating func remove(at place: Int) {
        places[ObjectIdentifier(entries[place].element)] = nil
        let last = entries.removeLast()
        guard place < entries.count else { return }
        set(last, at: place)
        sink(from: rise(from: place))
    }

    private mutating func set(_ entry: Entry, at place: Int) {
        entries[place] = entry
        places[ObjectIdentifier(entry.element)] = place
    }

    @discardableResult
    private mutating func rise(from start: Int) -> Int {
        let entry = entries[start]
        var place = start
        while place > 0, entries[(place - 1) / 2].due > entry.due {
            set(entries[(place - 1) / 2], at: place)
            place = (place - 1) / 2
        }
        set(entry, at: place)
        return place
    }

    private mutating func sink(from start: Int) {
        let entry = entries[start]
        var place = start
        while true {
            var child = 2 * place + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1].due < entries[child].due { child += 1 }
            guard entries[child].due < entry.due else { break }
            set(entries[child], at: place)
            place = child
        }
        set(entry, at: place)
    }
}
