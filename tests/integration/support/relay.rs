//! `Relay`: a socket in front of an agent's, whose connections can be cut.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

/// A socket that passes everything on to an agent's until it is cut.
#[derive(Debug)]
pub(crate) struct Relay(Arc<Mutex<Wires>>);

#[derive(Debug, Default)]
struct Wires {
    is_cut: bool,
    open: Vec<UnixStream>,
    /// The first line of each connection's request.
    asked: Vec<String>,
}

impl Relay {
    /// Listens at `path` and passes on to the socket at `agent`, as long as this process runs.
    pub(crate) fn start(path: &Path, agent: &Path) -> Self {
        let wires = Arc::new(Mutex::new(Wires::default()));
        let listener = UnixListener::bind(path).expect("a free path");
        let (ours, agent) = (Self(Arc::clone(&wires)), agent.to_owned());
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // An agent that is gone, or a consumer that is, is what is tested.
                let _ = Self(Arc::clone(&wires)).pass(near, &agent);
            }
        });
        ours
    }

    /// Breaks every connection and refuses new ones until [`Self::mend`].
    pub(crate) fn cut(&self) {
        let mut wires = self.wires();
        wires.is_cut = true;
        for stream in wires.open.drain(..) {
            // It may have closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn mend(&self) {
        self.wires().is_cut = false;
    }

    /// The last request that was passed on, its first line.
    pub(crate) fn asked_last(&self) -> Option<String> {
        self.wires().asked.last().cloned()
    }

    fn wires(&self) -> MutexGuard<'_, Wires> {
        self.0.lock().expect("nobody panics with it")
    }

    fn pass(self, mut near: UnixStream, agent: &Path) -> io::Result<()> {
        let mut head = [0; 4096];
        let size = near.read(&mut head)?;
        let mut wires = self.wires();
        if wires.is_cut {
            return Ok(());
        }
        let mut far = UnixStream::connect(agent)?;
        far.write_all(&head[..size])?;
        let line = String::from_utf8_lossy(&head[..size]);
        wires.asked.extend(line.lines().next().map(str::to_owned));
        wires.open.extend([near.try_clone()?, far.try_clone()?]);
        let (mut answer, mut asker) = (far.try_clone()?, near.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut answer, &mut asker);
            asker.shutdown(Shutdown::Both)
        });
        thread::spawn(move || {
            let _ = io::copy(&mut near, &mut far);
            far.shutdown(Shutdown::Both)
        });
        Ok(())
    }
}
