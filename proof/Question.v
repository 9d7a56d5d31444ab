(* The question's formulas: exactly when they are right, what they are the gradient of, and that
   its `ap` is the constant 1. *)
Require Import Reals Lra Lia List FunctionalExtensionality.
From Coquelicot Require Import Coquelicot.
From bnorm Require Import Definitions Sums Frechet Column Backward WeightSpace Panel Network.
Import ListNotations.
Open Scope R_scope.

Lemma question_dgamma_eq m q j : question_dgamma m q j = q (cgamma j) * dR_dgamma m q j.
Proof.
  unfold question_dgamma, dR_dgamma, dgamma. rewrite <- rsum_scal_l. apply rsum_ext. intros; ring.
Qed.

(* What holding mu and sigma constant leaves out. *)
Definition left_out (m : model) (q : point) (k j : nat) : R :=
  q (cgamma j) * (xbar (of m) (X m) k * dR_dbeta m q j
    + Sg (of m) (p1 m) (X m) (g1 q j) k * dR_dgamma m q j / sigma (of m) (zcol m q j)).

Lemma question_dG1_eq m q k j : legal (of m) -> regular (of m) (zcol m q j) ->
  question_dG1 m q k j - dR_dG1 m q k j = left_out m q k j / sigma (of m) (zcol m q j).
Proof.
  intros Hs Hz. pose proof (sigma_pos _ _ Hz) as Hp.
  unfold dR_dG1, dg. rewrite <- dgamma_lin, <- sigma_lin, G_sum by assumption.
  fold (zcol m q j) (dR_dgamma m q j) (dR_dbeta m q j).
  unfold question_dG1, left_out. set (r := sigma (of m) (zcol m q j)) in *.
  rewrite (rsum_ext _ _ (fun i => q (cgamma j) / r * (X m i k * W m (B m) q j i)))
    by (intros; unfold Rdiv; ring).
  rewrite rsum_scal_l. field. lra.
Qed.

Section Iff.
Variables (m : model) (q : point).
Hypothesis Hs : legal (of m).
Hypothesis HQ : projection m.
Hypothesis Hq : regular_at m q.
Hypothesis Ha : forall b, reached m (B m) q b -> is_derive (a m) b (a' m b).

Theorem question_gamma_iff j : (j < p2 m)%nat ->
  is_derive (fun t : R => risk m (B m) (set q (cgamma j) t)) (q (cgamma j)) (question_dgamma m q j)
  <-> q (cgamma j) = 1 \/ dR_dgamma m q j = 0.
Proof.
  intros Hj. pose proof (network_gamma m q Hs HQ Hq Ha j Hj) as HT.
  rewrite question_dgamma_eq. split.
  - intros HA. apply is_derive_unique in HA. apply is_derive_unique in HT. rewrite HT in HA.
    destruct (Req_dec (dR_dgamma m q j) 0) as [|E0]; [now right|left].
    apply (Rmult_eq_reg_r (dR_dgamma m q j)); [lra|exact E0].
  - intros H. eapply is_derive_eq; [exact HT|]. destruct H as [H|H]; rewrite H; ring.
Qed.

Theorem question_G1_iff k j : (k < p1 m)%nat -> (j < p2 m)%nat ->
  is_derive (fun t : R => risk m (B m) (set q (cG1 k j) t)) (q (cG1 k j)) (question_dG1 m q k j)
  <-> left_out m q k j = 0.
Proof.
  intros Hk Hj. pose proof (network_G1 m q Hs HQ Hq Ha k j Hk Hj) as HT.
  pose proof (question_dG1_eq m q k j Hs (Hq j Hj)) as Heq.
  pose proof (sigma_pos _ _ (Hq j Hj)) as Hp.
  set (r := sigma (of m) (zcol m q j)) in *. set (u := left_out m q k j) in *.
  assert (Eu : u = (u / r) * r) by (field; lra). split.
  - intros HA. apply is_derive_unique in HA. apply is_derive_unique in HT.
    rewrite HT in HA. rewrite Eu, <- Heq, HA. ring.
  - intros H0. eapply is_derive_eq; [exact HT|]. rewrite H0 in Heq. unfold Rdiv in Heq. lra.
Qed.
End Iff.

(* With the statistics that q itself has, the frozen network takes the same values, and the
   question's formula for Gamma1 is its gradient. *)
Section Frozen.
Variables (m : model) (q : point).
Let mean (j : nat) : R := mu (of m) (zcol m q j).
Let sd (j : nat) : R := sigma (of m) (zcol m q j).

Theorem question_G1_frozen k j : projection m ->
  (forall b, reached m (B m) q b -> is_derive (a m) b (a' m b)) ->
  (k < p1 m)%nat -> (j < p2 m)%nat ->
  is_derive (fun t : R => risk m (B_frozen m mean sd) (set q (cG1 k j) t)) (q (cG1 k j))
    (question_dG1 m q k j).
Proof. intros HQ Ha Hk Hj. exact (frozen_G1 m mean sd q HQ Ha k j Hk Hj). Qed.
End Frozen.

(* ------------------------------------------------------------------------- `ap` *)
Lemma question_ap_is_1 b : question_ap b = 1.
Proof.
  unfold question_ap. destruct (Rlt_dec b 0); [destruct (Rle_dec 0 0)|destruct (Rle_dec 0 b)]; lra.
Qed.
