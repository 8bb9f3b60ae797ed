//! How many of a chain stand before each of its members.

use std::collections::HashMap;

/// What is written by whom, or read.
type By = [(u64, u32)];

/// A graph of entries and of what lies between them. Its nodes are numbers, entries before the rest.
struct Graph {
    next: Vec<Vec<u32>>,
    before: Vec<Vec<u32>>,
    entries: usize,
}

/// For each of so many entries how many others stand before it in the longest chain that leads to it. Those of a circle
/// have the same number.
pub(super) fn levels(entries: u32, written: &By, read: &By) -> Vec<u32> {
    let graph = Graph::of(entries as usize, written, read);
    let of_nodes = graph.components();
    let count = of_nodes.iter().max().map_or(0, |last| *last as usize + 1);
    let mut members = vec![Vec::new(); count];
    for (node, component) in (0_u32..).zip(&of_nodes) {
        if let Some(members) = members.get_mut(*component as usize) {
            members.push(node);
        }
    }
    let mut levels = vec![0_u32; count];
    // Each comes after those that lead to it.
    for (component, nodes) in members.iter().enumerate() {
        let has_entry = nodes.iter().any(|node| (*node as usize) < graph.entries);
        let behind = levels[component] + u32::from(has_entry);
        for next in nodes.iter().flat_map(|node| &graph.next[*node as usize]) {
            let next = of_nodes[*next as usize] as usize;
            if next != component {
                levels[next] = levels[next].max(behind);
            }
        }
    }
    let of_entries = of_nodes.iter().take(graph.entries);
    of_entries
        .map(|component| levels[*component as usize])
        .collect()
}

impl Graph {
    fn of(entries: usize, written: &By, read: &By) -> Self {
        let mut keys: HashMap<u64, u32> = HashMap::new();
        for (key, _) in written {
            let number = u32::try_from(entries + keys.len()).unwrap_or(u32::MAX);
            keys.entry(*key).or_insert(number);
        }
        let nodes = entries + keys.len();
        let mut graph = Self {
            next: vec![Vec::new(); nodes],
            before: vec![Vec::new(); nodes],
            entries,
        };
        for (key, writer) in written {
            graph.connect(*writer, keys[key]);
        }
        for (key, reader) in read {
            if let Some(key) = keys.get(key) {
                graph.connect(*key, *reader);
            }
        }
        graph
    }

    fn connect(&mut self, from: u32, to: u32) {
        self.next[from as usize].push(to);
        self.before[to as usize].push(from);
    }

    /// The strongly connected component of each node, in an order in which edges lead from lower to higher ones (Kosaraju's
    /// algorithm).
    fn components(&self) -> Vec<u32> {
        const NONE: u32 = u32::MAX;
        let mut component = vec![NONE; self.next.len()];
        let mut count = 0;
        for node in self.finished().into_iter().rev() {
            if component[node as usize] != NONE {
                continue;
            }
            component[node as usize] = count;
            let mut open = vec![node];
            while let Some(node) = open.pop() {
                for before in &self.before[node as usize] {
                    if component[*before as usize] == NONE {
                        component[*before as usize] = count;
                        open.push(*before);
                    }
                }
            }
            count += 1;
        }
        component
    }

    /// All nodes, each after those that are reached from it, but where these lead back.
    fn finished(&self) -> Vec<u32> {
        let mut finished = Vec::with_capacity(self.next.len());
        let mut seen = vec![false; self.next.len()];
        for start in (0_u32..).take(self.next.len()) {
            if std::mem::replace(&mut seen[start as usize], true) {
                continue;
            }
            // A way, and how many of the edges of each node on it were followed: no recursion, as chains may be long.
            let mut way = vec![(start, 0)];
            while let Some((node, followed)) = way.last_mut() {
                let Some(next) = self.next[*node as usize].get(*followed) else {
                    finished.push(*node);
                    way.pop();
                    continue;
                };
                *followed += 1;
                if !std::mem::replace(&mut seen[*next as usize], true) {
                    way.push((*next, 0));
                }
            }
        }
        finished
    }
}
