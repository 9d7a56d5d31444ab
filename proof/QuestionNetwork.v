(* The question's network in its own words: with 1/N, every activation that has a derivative at
   the values it meets, ReLU away from 0. *)
Require Import Reals Lra Lia List.
From Coquelicot Require Import Coquelicot.
From bnorm Require Import Definitions Sums Frechet Column Backward WeightSpace Panel Network.
Import ListNotations.
Open Scope R_scope.

(* The closed forms read w below N only. *)
Section Extensions.
Variables (s : setting) (w w' : nat -> R).
Hypothesis Hw : forall i, (i < N s)%nat -> w i = w' i.

Lemma dbeta_ext : dbeta s w = dbeta s w'.
Proof. now apply rsum_ext. Qed.

Lemma dgamma_ext z : dgamma s z w = dgamma s z w'.
Proof. apply rsum_ext. intros i Hi. now rewrite Hw. Qed.

Lemma dg_ext p1 X gamma g k : dg s p1 X gamma g w k = dg s p1 X gamma g w' k.
Proof.
  assert (EG : forall k, G s X w k = G s X w' k)
    by (intros; apply rsum_ext; intros i Hi; now rewrite Hw).
  unfold dg, dgamma_w. rewrite EG. do 4 f_equal. f_equal. apply rsum_ext. intros. now rewrite EG.
Qed.
End Extensions.

Section QuestionNetwork.
Variables (N : nat) (ddof eps : R) (p1 p2 : nat) (X : nat -> nat -> R) (y : nat -> R).
Variables (a a' : R -> R).
Let m := question N ddof eps p1 p2 X y a a'.

Lemma question_projects : projection m.
Proof. now apply identity_projects. Qed.

Lemma question_yhat_eq q i : yhat m (B m) q i = question_yhat m q i.
Proof. unfold yhat. simpl. ring_simplify. reflexivity. Qed.

Lemma question_E q i : (i < N)%nat -> E m (B m) q i = y i - question_yhat m q i.
Proof.
  intros Hi. rewrite <- (rsum_delta N i (fun k => y k - question_yhat m q k) Hi).
  apply rsum_ext. intros k _. now rewrite question_yhat_eq.
Qed.

Lemma question_risk q : risk m (B m) q = question_R m q.
Proof.
  unfold risk, question_R. change (n (of m)) with (n (unweighted N ddof eps)).
  rewrite unweighted_n. f_equal. apply rsum_ext. intros i Hi.
  rewrite question_E by exact Hi. apply Rmult_1_l.
Qed.

Lemma question_D q i : (i < N)%nat -> D m (B m) q i = -2 * (y i - question_yhat m q i) / INR N.
Proof.
  intros Hi. unfold D. rewrite question_E by exact Hi.
  change (n (of m)) with (n (unweighted N ddof eps)). rewrite unweighted_n.
  change (omega (of m) i) with 1. now rewrite Rmult_1_r.
Qed.

Lemma question_W_eq q j i : (i < N)%nat -> W m (B m) q j i = question_W m q j i.
Proof. intros Hi. unfold W. now rewrite question_D. Qed.

Lemma question_dG2 q j : dG2 m (B m) q j
  = ∑ i < N, a (B m q i j) * (-2 * (y i - question_yhat m q i) / INR N).
Proof. apply rsum_ext. intros i Hi. now rewrite question_D. Qed.

Variable q : point.
Hypothesis HN : (0 < N)%nat.
Hypothesis HM : INR N - ddof <> 0.
Hypothesis Hq : regular_at m q.
Hypothesis Ha : forall b, reached m (B m) q b -> is_derive a b (a' b).
Let Hs : legal (of m) := unweighted_legal N ddof eps HN HM.

(* The risk is that of the model, so are its derivatives. *)
Lemma question_derive c d : is_derive (fun t : R => risk m (B m) (set q c t)) (q c) d ->
  is_derive (fun t : R => question_R m (set q c t)) (q c) d.
Proof. apply is_derive_ext. intros t. apply question_risk. Qed.

Theorem question_frechet : frechet (net_coords 0 p1 p2) (question_R m) q (fun h => ∑ j < p2,
  ((∑ k < p1, dg (of m) p1 X (q (cgamma j)) (g1 q j) (question_W m q j) k * h (cG1 k j))
   + dgamma (of m) (zcol m q j) (question_W m q j) * h (cgamma j)
   + dbeta (of m) (question_W m q j) * h (cbeta j)
   + (∑ i < N, a (B m q i j) * (-2 * (y i - question_yhat m q i) / INR N)) * h (cG2 j))).
Proof.
  apply (frechet_ext _ (risk m (B m))); [apply question_risk|]. eapply frechet_eq.
  - exact (network_frechet m q Hs question_projects Hq Ha).
  - intros h. cbv beta. change (∑ k < (p0 m), dtheta m (B m) q k * h (ctheta k)) with 0.
    rewrite Rplus_0_r. apply rsum_ext. intros j _.
    rewrite question_dG2. unfold dR_dgamma, dR_dbeta.
    rewrite (dgamma_ext (of m) _ _ (question_W_eq q j)), (dbeta_ext (of m) _ _ (question_W_eq q j)).
    do 3 f_equal. apply rsum_ext. intros k _. f_equal. apply dg_ext. apply question_W_eq.
Qed.

Theorem question_partials j : (j < p2)%nat ->
  (forall k, (k < p1)%nat -> is_derive (fun t : R => question_R m (set q (cG1 k j) t))
     (q (cG1 k j)) (dg (of m) p1 X (q (cgamma j)) (g1 q j) (question_W m q j) k)) /\
  is_derive (fun t : R => question_R m (set q (cgamma j) t)) (q (cgamma j))
     (dgamma (of m) (zcol m q j) (question_W m q j)) /\
  is_derive (fun t : R => question_R m (set q (cbeta j) t)) (q (cbeta j))
     (dbeta (of m) (question_W m q j)) /\
  is_derive (fun t : R => question_R m (set q (cG2 j) t)) (q (cG2 j))
     (∑ i < N, a (B m q i j) * (-2 * (y i - question_yhat m q i) / INR N)).
Proof.
  intros Hj. pose proof question_projects as HQ.
  split; [intros k Hk|split; [|split]]; apply question_derive.
  - eapply is_derive_eq; [exact (network_G1 m q Hs HQ Hq Ha k j Hk Hj)|].
    apply dg_ext. apply question_W_eq.
  - eapply is_derive_eq; [exact (network_gamma m q Hs HQ Hq Ha j Hj)|].
    apply dgamma_ext. apply question_W_eq.
  - eapply is_derive_eq; [exact (network_beta m q Hs HQ Hq Ha j Hj)|].
    apply dbeta_ext. apply question_W_eq.
  - eapply is_derive_eq; [exact (network_G2 m q Hs HQ Hq Ha j Hj)|]. apply question_dG2.
Qed.
End QuestionNetwork.

(* ------------------------------------------------------------------------- ReLU *)
Lemma relu_derive b : b <> 0 -> is_derive relu b (relu' b).
Proof.
  intros Hb. apply is_derive_Reals. intros e He.
  exists (mkposreal _ (Rabs_pos_lt b Hb)). simpl. intros h Hh0 Hh.
  assert (H0 : (relu (b + h) - relu b) / h - relu' b = 0).
  { unfold relu, relu'. destruct (Rle_dec b 0); destruct (Rle_dec (b + h) 0);
      revert Hh; unfold Rabs; destruct (Rcase_abs h), (Rcase_abs b); intros; try lra;
      field; exact Hh0. }
  rewrite H0, Rabs_R0. exact He.
Qed.
