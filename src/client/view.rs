//! `View`: a table of members that keeps itself current.

use std::sync::Arc;

use tokio::{sync::watch, task::AbortHandle};

use super::{Error, Members, Record, Told, Watch};

/// A table of members that a task keeps current until this is dropped.
///
/// Made by [`Watch::into_view`].
#[derive(Debug)]
pub struct View {
    shown: watch::Receiver<Shown>,
    task: AbortHandle,
}

#[derive(Clone, Debug)]
struct Shown {
    members: Arc<Members>,
    /// Why there is no stream at the moment, or will be none any more.
    trouble: Option<Error>,
}

impl View {
    pub(super) fn new(watch: Watch) -> Self {
        let (sender, shown) = watch::channel(Shown {
            members: Arc::new(Members::new(watch.filter().clone())),
            trouble: None,
        });
        let task = tokio::spawn(follow(watch, sender)).abort_handle();
        Self { shown, task }
    }

    /// The members now, which later changes do not touch. While there is [`trouble`](Self::trouble)
    /// they are as they were when it began.
    pub fn members(&self) -> Arc<Members> {
        self.shown.borrow().members.clone()
    }

    /// What keeps the members from being current, if anything does.
    pub fn trouble(&self) -> Option<Error> {
        self.shown.borrow().trouble.clone()
    }

    /// Waits until the members, or the trouble with them, have changed since this or
    /// [`until`](Self::until) looked last; gives the members.
    ///
    /// # Errors
    /// What trying again does not change, such as a filter that the agent refuses.
    pub async fn changed(&mut self) -> Result<Arc<Members>, Error> {
        match self.shown.changed().await {
            Ok(()) => Ok(self.shown.borrow_and_update().members.clone()),
            Err(_) => Err(self.end()),
        }
    }

    /// Waits until the members are as `condition` wants them, and gives them. It looks first when
    /// they are known, then whenever they changed; changes that come at once are one.
    ///
    /// # Errors
    /// As [`changed`](Self::changed).
    pub async fn until(
        &mut self,
        mut condition: impl FnMut(&Members) -> bool,
    ) -> Result<Arc<Members>, Error> {
        let wanted = |shown: &Shown| shown.members.is_known() && condition(&shown.members);
        let found = self.shown.wait_for(wanted).await;
        let found = found.map(|shown| shown.members.clone());
        found.map_err(|_| self.end())
    }

    /// Why the task has ended.
    fn end(&self) -> Error {
        self.trouble().unwrap_or(Error::Ended)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Shows what `watch` tells until it cannot be told any more.
async fn follow(mut watch: Watch, shown: watch::Sender<Shown>) {
    loop {
        match watch.next().await {
            Ok(Told::Back) => shown.send_modify(|shown| shown.trouble = None),
            Ok(Told::Lost(why)) => shown.send_modify(|shown| shown.trouble = Some(why)),
            Ok(Told::Record(Record::Heartbeat(heartbeat), _)) => {
                let agree = shown.borrow().members.agree(&heartbeat);
                if !agree {
                    watch.begin_anew();
                    shown.send_modify(|shown| shown.trouble = Some(Error::OutOfStep));
                }
            }
            Ok(Told::Record(record, _)) => shown.send_modify(|shown| {
                shown.trouble = None;
                // Copies the table only while somebody still holds the one before.
                Arc::make_mut(&mut shown.members).apply(&record);
            }),
            Err(error) => {
                shown.send_modify(|shown| shown.trouble = Some(error));
                return;
            }
        }
    }
}
